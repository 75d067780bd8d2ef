"""A process alone; several are in tests/experiments/test_several_processes.py."""

import jax
import numpy as np
import pytest

from jaxdl.console import console
from jaxdl.errors import UserError
from jaxdl.training import processes

OF_THE_ENVIRONMENT = (
    "SLURM_STEP_NUM_TASKS",
    "TPU_WORKER_HOSTNAMES",
    "MEGASCALE_COORDINATOR_ADDRESS",
)


@pytest.fixture
def connections(monkeypatch):
    """The arguments of the connections that were asked for, none of which is made."""
    for name in OF_THE_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    made = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **arguments: made.append(arguments))
    monkeypatch.setattr(console, "quiet", False)
    return made


def test_a_process_alone_connects_to_nobody(connections):
    processes.join("", 0, 1)
    assert connections == []


@pytest.mark.parametrize(
    ("name", "value", "several"),
    [
        ("SLURM_STEP_NUM_TASKS", "4", True),
        ("SLURM_STEP_NUM_TASKS", "1", False),
        ("TPU_WORKER_HOSTNAMES", "first,second", True),
        ("TPU_WORKER_HOSTNAMES", "localhost", False),
        ("MEGASCALE_COORDINATOR_ADDRESS", "first", True),
    ],
)
def test_the_environment_tells_of_several(connections, monkeypatch, name, value, several):
    monkeypatch.setenv(name, value)
    processes.join("", 0, 1)
    assert len(connections) == several
    assert all("coordinator_address" not in arguments for arguments in connections)


def test_by_hand_all_is_told(connections, monkeypatch):
    monkeypatch.setattr(processes, "_wait_for", lambda coordinator: None)
    processes.join("host:1234", 1, 2)
    ((arguments),) = connections
    assert arguments["coordinator_address"] == "host:1234"
    assert (arguments["process_id"], arguments["num_processes"]) == (1, 2)


def test_that_the_others_are_not_found_is_said_in_one_line(connections, monkeypatch):
    def fail(**arguments):
        raise RuntimeError("deadline exceeded\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(UserError, match=r"do not find each other \(deadline exceeded\); mind"):
        processes.join("host:1234", 0, 2)


def test_that_the_first_is_not_found_is_said_in_one_line(connections, monkeypatch):
    monkeypatch.setattr(processes, "SECONDS_TO_MEET", 0.1)
    with pytest.raises(UserError, match="No first process answers at localhost:1 "):
        processes.join("localhost:1", 1, 2)
    assert connections == []


def test_what_one_process_gives_is_what_all_have():
    np.testing.assert_array_equal(processes.gather(np.array([1.0, 2.0])), [[1.0, 2.0]])
    assert processes.text_of_first("runs/cnn/ä") == "runs/cnn/ä"
    assert processes.is_first()


def test_what_a_process_alone_raises_is_raised():
    with pytest.raises(ZeroDivisionError), processes.failing_at_once():
        _ = 1 / 0
