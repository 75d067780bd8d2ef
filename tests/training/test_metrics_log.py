import math

import numpy as np
import pytest

from jaxdl.runs import Run
from jaxdl.training.journal import format_metrics, log_epoch
from jaxdl.training.pace import Pace


def test_a_call_is_as_long_as_half_a_second_of_steps():
    pace = Pace(batch_size=10)
    assert pace.steps_per_call == 1
    pace.record(steps=1, seconds=0.01)
    assert pace.steps_per_call == 50
    pace.record(steps=50, seconds=1.0)
    assert pace.steps_per_call == 25
    pace.record(steps=25, seconds=100.0)
    assert pace.steps_per_call == 1


def test_the_speed_is_a_median_that_leaves_the_cold_first_call_out():
    pace = Pace(batch_size=10)
    pace.record(steps=1, seconds=5.0)
    assert pace.examples_per_second == pytest.approx(2.0)  # the only one so far
    for seconds in (1.0, 2.0, 40.0):
        pace.record(steps=4, seconds=seconds)
    assert pace.examples_per_second == pytest.approx(10 * 4 / 2.0)


def test_without_a_call_there_is_no_speed():
    assert math.isnan(Pace(batch_size=10).examples_per_second)


@pytest.mark.parametrize("steps", [1, 7, 20, 45])
def test_an_epoch_is_twenty_lines_or_fewer_whose_means_cover_every_step(tmp_path, steps):
    run = Run.create("tiny", tmp_path, 0, {}, ())
    losses = np.random.default_rng(0).random(steps).astype(np.float32)
    log_epoch(run, 3, {"loss": losses}, {"accuracy": 0.5}, learning_rate=0.25, seconds=1.23456)
    *points, whole = run.read_metrics()
    ends = [record["step"] - 2 * steps for record in points]
    assert len(points) == min(20, steps)
    assert ends[-1] == steps
    for start, end, record in zip([0, *ends], ends, points, strict=False):
        assert record["train_loss"] == pytest.approx(losses[start:end].mean(), rel=1e-5)
    assert whole == {
        "step": 3 * steps,
        "epoch": 3,
        "train_loss": pytest.approx(losses.mean(), rel=1e-5),
        "validation_accuracy": 0.5,
        "learning_rate": 0.25,
        "seconds": 1.235,
    }


def test_metrics_are_written_in_the_order_of_their_names():
    assert format_metrics({"loss": 0.5, "accuracy": 0.25}) == "accuracy 0.2500  loss 0.5000"
