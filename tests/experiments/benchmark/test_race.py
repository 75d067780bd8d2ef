import subprocess
import sys
from typing import ClassVar

import pytest

from experiments.benchmark import race
from experiments.benchmark.race import summarise
from experiments.benchmark.steady import TRIES, Yardstick
from experiments.benchmark.worker import Stopwatch
from jaxdl.errors import UserError
from jaxdl.nn.cpu import WITHOUT_YNN_CONVOLUTION

OURS = {"framework": "ours", "parameters": 10, "flops_per_example": 5}
PEER = {"framework": "torch", "parameters": 10, "flops_per_example": None}
COUNT_PAGE_FAULTS = """
import ctypes, resource

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for repetition in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        block = ctypes.c_void_p(libc.malloc(1 << 26))
        ctypes.memset(block, 1, 1 << 26)
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


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


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults with glibc")
def test_the_processes_of_wide_convolutions_keep_freed_memory():
    program = [sys.executable, "-c", COUNT_PAGE_FAULTS]
    faults = {
        model: int(subprocess.check_output(program, env=race.environment_of(model)))
        for model in ("mlp", "resnet20", "speedrun")
    }
    assert max(faults["resnet20"], faults["speedrun"]) < 0.01 * faults["mlp"]


def test_peers_do_not_get_the_flag_that_is_ours(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--of_the_user {WITHOUT_YNN_CONVOLUTION}")
    assert race.environment_of("cnn")["XLA_FLAGS"].split() == ["--of_the_user"]


class FakeWorker:
    """Stands in for a worker that takes part, "refuses" or is "larger", and records its end."""

    closed: ClassVar[list[str]] = []

    def __init__(self, framework, model):
        self.framework = framework

    def ask(self, **request):
        if self.framework == "refuses":
            raise UserError("refuses takes no part.")
        return {"parameters": 11 if self.framework == "larger" else 10}

    def close(self):
        self.closed.append(self.framework)


def test_a_peer_that_cannot_be_compared_is_left_out_with_a_reason(monkeypatch, capsys):
    monkeypatch.setattr(race, "Worker", FakeWorker)
    frameworks = ["ours", "refuses", "larger", "torch"]
    with race.start_workers(frameworks, print, model="mlp") as workers:
        assert list(workers) == ["ours", "torch"]
    assert sorted(FakeWorker.closed) == sorted(frameworks)
    refused, larger = capsys.readouterr().err.splitlines()
    assert refused == "refuses takes no part."
    assert larger.startswith("The model of larger has 11 parameters and ours has 10")


def test_without_ours_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(race, "Worker", FakeWorker)
    with pytest.raises(UserError), race.start_workers(["refuses"], print, model="mlp"):
        pass


def test_a_process_that_has_ended_is_reported_with_its_last_line():
    worker = race.Worker("nonsense", "mlp")
    request = {"model": "mlp", "batch_size": 1, "precision": "float32", "cores": 1}
    with pytest.raises(UserError, match=r"^The process of nonsense has ended: KeyError"):
        worker.ask(framework="nonsense", **request)
    with pytest.raises(UserError, match="has ended"):
        worker.ask(work="train", seconds=1)
    worker.close()


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
