import math

import pytest

from jaxdl.training.throughput import Throughput


def test_a_call_has_the_steps_of_half_a_second():
    throughput = Throughput(batch_size=10)
    assert throughput.steps_per_call == 1
    throughput.record(steps=1, seconds=0.01)
    assert throughput.steps_per_call == 50
    throughput.record(steps=50, seconds=1.0)
    assert throughput.steps_per_call == 25
    throughput.record(steps=25, seconds=100.0)
    assert throughput.steps_per_call == 1


def test_the_throughput_is_a_median_without_the_cold_first_call():
    throughput = Throughput(batch_size=10)
    throughput.record(steps=1, seconds=5.0)
    assert throughput.examples_per_second == pytest.approx(2.0)  # the only one so far
    for seconds in (1.0, 2.0, 40.0):
        throughput.record(steps=4, seconds=seconds)
    assert throughput.examples_per_second == pytest.approx(10 * 4 / 2.0)


def test_without_a_call_the_throughput_is_unknown():
    assert math.isnan(Throughput(batch_size=10).examples_per_second)


def test_the_duration_is_estimated_once_after_a_few_calls():
    throughput = Throughput(batch_size=10)
    estimates = []
    for _ in range(6):
        throughput.record(steps=2, seconds=1.0)
        estimates.append(throughput.estimates())
    assert estimates == [False, False, False, True, False, False]
    assert throughput.seconds_for(steps=30) == pytest.approx(15.0)
