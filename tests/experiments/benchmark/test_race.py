import pytest

from experiments.benchmark.race import race, summarise
from experiments.benchmark.steady import TRIES, Yardstick
from experiments.benchmark.worker import Stopwatch
from jaxdl.errors import UserError

OURS = {"framework": "ours", "parameters": 10, "flops_per_example": 5}
PEER = {"framework": "torch", "parameters": 10, "flops_per_example": None}


@pytest.fixture
def yardstick():
    """One whose products all take a second."""
    return Yardstick(lambda: 1.0, flops=40)


def turns(*seconds, product=1.0):
    return [{"seconds_each": value, "product_seconds": product} for value in seconds]


def test_ratios_are_taken_per_round_and_medians_over_the_rounds(yardstick):
    records = [
        OURS | {"turns": [turns(1), turns(2), turns(4)]},
        PEER | {"turns": [turns(2), turns(6), turns(4)]},
    ]
    ours, peer = summarise(records, 8, yardstick)
    assert ours["examples_per_second"] == 4
    assert peer["milliseconds"] == 4000
    assert ours["flops_per_second"] == 20
    assert (ours["share_of_peak"], peer["share_of_peak"]) == (0.5, 0.25)
    assert peer["ours_is_faster_by"] == {"median": 2, "lowest": 1, "highest": 3}


def test_ratios_come_from_rounds_in_which_both_are_steady(yardstick):
    slow = turns(90, product=2.0)
    records = [
        OURS | {"turns": [turns(1), turns(2), [*slow, *turns(4)]]},
        PEER | {"turns": [[*slow, *turns(3)], slow * TRIES, turns(4)]},
        PEER | {"framework": "torch-fused", "turns": [slow, slow, slow]},
    ]
    ours, peer = summarise(records, 8, yardstick)
    assert peer["ours_is_faster_by"] == {"median": 2, "lowest": 1, "highest": 3}
    assert (ours["seconds_each"], peer["seconds_each"]) == ([1, 2, 4], [3, 4])
    assert (ours["discarded_turns"], peer["discarded_turns"]) == (1, 1 + TRIES)


class Runner:
    """Stands in for a worker that answers a number of requests before it ends."""

    def __init__(self, answers):
        self.answers, self.has_ended = answers, False

    def ask(self, **request):
        self.answers -= 1
        if self.answers < 0:
            self.has_ended = True
            raise UserError("The process has ended")
        return {"seconds": 2.0, "times": 4, "peak_memory": 8}


def test_a_peer_that_ends_during_the_race_takes_no_more_turns(yardstick, capsys):
    workers = {"ours": (Runner(100), OURS), "torch": (Runner(2), PEER), "keras": (Runner(9), PEER)}
    records = race(workers, "train", 3, 1.0, lambda _: None, yardstick)
    assert [len(record["turns"]) for record in records] == [3, 1, 3]
    assert [record.get("ended") for record in records] == [None, "The process has ended", None]
    assert capsys.readouterr().err == "The process has ended\n"
    assert [record["framework"] for record in summarise(records, 8, yardstick)] == [*workers]
    with pytest.raises(UserError, match="has ended"):
        race({"ours": (Runner(2), OURS)}, "train", 3, 1.0, lambda _: None, yardstick)


def test_without_the_yardstick_the_race_is_over(yardstick):
    turns_of_ours = []

    def repeat(take):
        if turns_of_ours:
            raise UserError("The process of matrix-product has ended")
        turns_of_ours.append(take())
        return turns_of_ours

    yardstick.repeat = repeat
    workers = {"ours": (Runner(9), OURS), "torch": (Runner(9), PEER)}
    with pytest.raises(UserError, match="matrix-product"):
        race(workers, "train", 1, 1.0, lambda _: None, yardstick)


def test_a_turn_repeats_the_work_as_often_as_fits_into_its_seconds(monkeypatch):
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


def test_a_long_turn_has_whole_epochs_where_a_part_costs_a_new_start():
    class Contestant:
        steps_per_epoch = 8

        def train(self, steps):
            calls.append(steps)

        predict = None

    calls = []
    stopwatch = Stopwatch(Contestant())
    stopwatch._seconds_each["train"] = 0.25
    stopwatch.time("train", 5.0)
    stopwatch._seconds_each["train"] = 0.25
    stopwatch.time("train", 1.0)
    assert calls == [16, 4]
