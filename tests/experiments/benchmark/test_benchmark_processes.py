import subprocess
import sys
from typing import ClassVar

import pytest

from experiments.benchmark import processes
from jaxdl.errors import UserError
from jaxdl.nn.cpu import WITHOUT_YNN_CONVOLUTION

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


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults with glibc")
def test_the_processes_of_wide_convolutions_keep_freed_memory():
    program = [sys.executable, "-c", COUNT_PAGE_FAULTS]
    faults = {
        model: int(subprocess.check_output(program, env=processes.environment_of(model)))
        for model in ("mlp", "resnet20", "speedrun")
    }
    assert max(faults["resnet20"], faults["speedrun"]) < 0.01 * faults["mlp"]


def test_all_that_read_pictures_keep_freed_memory_but_not_in_one_heap():
    settings = processes.environment_of("pictures")
    assert settings["MALLOC_MMAP_MAX_"] == "0"
    assert "MALLOC_ARENA_MAX" not in settings


def test_peers_do_not_get_the_flag_that_is_ours(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", f"--of_the_user {WITHOUT_YNN_CONVOLUTION}")
    assert processes.environment_of("cnn")["XLA_FLAGS"].split() == ["--of_the_user"]


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
    monkeypatch.setattr(processes, "Worker", FakeWorker)
    frameworks = ["ours", "refuses", "larger", "torch"]
    with processes.start_workers(frameworks, print, model="mlp") as workers:
        assert list(workers) == ["ours", "torch"]
    assert sorted(FakeWorker.closed) == sorted(frameworks)
    refused, larger = capsys.readouterr().err.splitlines()
    assert refused == "refuses takes no part."
    assert larger.startswith("The model of larger has 11 parameters and ours has 10")


def test_without_ours_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(processes, "Worker", FakeWorker)
    with pytest.raises(UserError), processes.start_workers(["refuses"], print, model="mlp"):
        pass


def test_a_process_that_has_ended_is_reported_with_its_last_line():
    worker = processes.Worker("nonsense", "mlp")
    request = {"model": "mlp", "batch_size": 1, "precision": "float32", "cores": 1}
    with pytest.raises(UserError, match=r"^The process of nonsense has ended: KeyError"):
        worker.ask(framework="nonsense", **request)
    with pytest.raises(UserError, match="has ended"):
        worker.ask(work="train", seconds=1)
    worker.close()
