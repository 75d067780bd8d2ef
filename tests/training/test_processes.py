"""A process that trains alone; several are in tests/experiments/test_several_processes.py."""

import jax
import numpy as np
import pytest

from jaxdl.console import console, error_console
from jaxdl.errors import UsageError, UserError
from jaxdl.training import processes
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.processes import agree

OF_THE_ENVIRONMENT = (
    "SLURM_STEP_NUM_TASKS",
    "TPU_WORKER_HOSTNAMES",
    "MEGASCALE_COORDINATOR_ADDRESS",
)


@pytest.fixture
def connections(monkeypatch):
    """Arguments of the connections that were requested, none of which is made."""
    for name in OF_THE_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    made = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **arguments: made.append(arguments))
    for one in (console, error_console):
        monkeypatch.setattr(one, "quiet", False)
    return made


def test_a_process_that_trains_alone_makes_no_connection(connections):
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
def test_the_environment_may_name_several_processes(connections, monkeypatch, name, value, several):
    monkeypatch.setenv(name, value)
    processes.join("", 0, 1)
    assert len(connections) == several
    assert all("coordinator_address" not in arguments for arguments in connections)


def test_jax_detects_its_processes_if_asked(connections):
    processes.join("auto", 0, 1)
    ((arguments),) = connections
    assert "coordinator_address" not in arguments


def test_a_given_coordinator_is_passed_on_with_number_and_count(connections, monkeypatch):
    monkeypatch.setattr(processes, "_wait_for", lambda coordinator: None)
    processes.join("host:1234", 1, 2)
    ((arguments),) = connections
    assert arguments["coordinator_address"] == "host:1234"
    assert (arguments["process_id"], arguments["num_processes"]) == (1, 2)


def test_processes_that_cannot_be_found_are_an_error_of_one_line(connections, monkeypatch, capsys):
    def fail(**arguments):
        raise RuntimeError("deadline exceeded\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    message = r"cannot find each other \(deadline exceeded\); check --coordinator"
    with pytest.raises(UserError, match=message) as failure:
        processes.join("host:1234", 0, 2)
    assert "\n" not in str(failure.value)
    assert "Waiting at host:1234 for 2 processes" in capsys.readouterr().err


def test_a_first_process_that_does_not_answer_is_an_error_of_one_line(connections, monkeypatch):
    monkeypatch.setattr(processes, "SECONDS_TO_MEET", 0.1)
    with pytest.raises(UserError, match="No first process answers at localhost:1 ") as failure:
        processes.join("localhost:1", 1, 2)
    assert "\n" not in str(failure.value)
    assert connections == []


def test_a_process_that_trains_alone_gathers_its_own_values():
    np.testing.assert_array_equal(processes.gather(np.array([1.0, 2.0])), [[1.0, 2.0]])
    assert processes.text_of_first("runs/cnn/ä") == "runs/cnn/ä"
    assert processes.is_first()


def test_a_process_that_trains_alone_decides_for_itself():
    assert agree(steps=50, seconds=2.5, save=True, stop=False) == (50, 2.5, True, False)


@pytest.mark.parametrize("stop", [False, True])
def test_the_first_process_decides_and_any_of_them_can_stop_all(monkeypatch, stop):
    votes = np.array([[7, 1.5, 1, 0], [9, 3.0, 0, stop]], np.float32)
    monkeypatch.setattr(processes, "gather", lambda own: votes)
    assert agree(steps=9, seconds=3.0, save=False, stop=stop) == (7, 1.5, True, stop)


@pytest.mark.parametrize("error", [ZeroDivisionError, UserError, KeyboardInterrupt])
def test_a_process_that_trains_alone_raises_its_errors(error):
    with pytest.raises(error), processes.exiting_together():
        raise error


@pytest.fixture
def one_of_several(monkeypatch):
    """Makes this process one of several, whose exit is an exception here."""

    def leave(status):
        raise SystemExit(status)

    def become(first):
        monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(processes, "is_first", lambda: first)
        monkeypatch.setattr(processes, "_exit", leave)

    return become


STOPPED = "error: This process of the training or another one has stopped"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserError("No file."), 1, "error: No file.\n"),
        (UsageError("--seed is x."), 2, "error: --seed is x.\n"),
        (InterruptedTraining("Stopped at step 5."), 130, "Stopped at step 5.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (OSError("disk\nfull"), 1, f"{STOPPED} (disk). Resume with: train again\n"),
        (OSError(), 1, f"{STOPPED} (OSError). Resume with: train again\n"),
        (
            jax.errors.JaxRuntimeError("connection lost"),
            1,
            f"{STOPPED} (connection lost). Resume with: train again\n",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_one_of_several_processes_prints_its_error_and_exits(
    one_of_several, capsys, error, status, message
):
    one_of_several(first=True)
    with pytest.raises(SystemExit) as exit_status, processes.exiting_together("train again"):
        raise error
    assert exit_status.value.code == status
    assert capsys.readouterr().err == message


def test_an_error_of_the_program_is_printed_with_its_traceback(one_of_several, capsys):
    one_of_several(first=False)
    with pytest.raises(SystemExit) as exit_status, processes.exiting_together():
        _ = 1 / 0
    assert exit_status.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.splitlines()[-1].startswith(f"{STOPPED} (division by zero). Resume with: ")


@pytest.mark.parametrize("error", [UsageError("--seed is x."), InterruptedTraining("Stopped.")])
def test_an_error_that_all_processes_have_is_printed_by_the_first_only(
    one_of_several, capsys, error
):
    one_of_several(first=False)
    with pytest.raises(SystemExit), processes.exiting_together():
        raise error
    assert capsys.readouterr().err == ""
