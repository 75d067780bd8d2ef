import pytest

from experiments.benchmark.race import summarise
from experiments.benchmark.worker import Stopwatch
from jaxdl.errors import UserError

OURS = {"framework": "ours", "parameters": 10, "flops_per_example": 5, "seconds_each": [1, 2, 4]}
PEER = {"framework": "torch", "parameters": 10, "flops_per_example": None}


def test_ratios_are_taken_round_by_round_and_medians_over_the_rounds():
    ours, peer = summarise([OURS, PEER | {"seconds_each": [2, 6, 4]}], 8, peak_flops=40)
    assert ours["examples_per_second"] == 4
    assert peer["milliseconds"] == 4000
    assert ours["flops_per_second"] == 20
    assert (ours["share_of_peak"], peer["share_of_peak"]) == (0.5, 0.25)
    assert peer["ours_is_faster_by"] == {"median": 2, "lowest": 1, "highest": 3}


def test_models_of_different_sizes_are_not_compared():
    with pytest.raises(UserError, match=r"^The model of torch has 11 parameters, ours 10"):
        summarise([OURS, PEER | {"parameters": 11, "seconds_each": [1, 1, 1]}], 8, peak_flops=40)


def test_a_turn_does_as_much_work_as_fits_into_its_seconds(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    class Contestant:
        first = True

        def train(self, steps):
            clock[0] += steps * 0.25 + 10 * self.first  # the first call compiles
            self.first = False

        def predict(self):
            clock[0] += 0.125

    stopwatch = Stopwatch(Contestant())
    assert stopwatch.time("train", 2.0) == {"times": 8, "seconds": 2.0}
    assert stopwatch.time("train", 0.01) == {"times": 1, "seconds": 0.25}
    assert stopwatch.time("predict", 1.0) == {"times": 8, "seconds": 1.0}
