"""Trainings of several processes, each with a device of its own, on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def start(process_id, process_count, port, *options):
    command = [sys.executable, "-m", "experiments.cnn", *map(str, options)]
    command += ["--coordinator", f"localhost:{port}"]
    command += ["--process-id", str(process_id), "--process-count", str(process_count)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )


@pytest.fixture
def start_all():
    """Starts several processes of one training, which end with the test at the latest."""
    started = []

    def start_them(count, *options):
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = probe.getsockname()[1]
        processes = [start(number, count, port, *options) for number in range(count)]
        started.extend(processes)
        return processes

    yield start_them
    for process in started:
        process.kill()


def wait_for(processes):
    outputs = [process.communicate(timeout=300) for process in processes]
    statuses = [process.returncode for process in processes]
    return statuses, outputs


def losses_of(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["train_loss"] for line in lines]


def options_for(data_dir, runs_dir, epochs):
    quick = ("--preset", "quick", "--batch-size", 20, "--epochs", epochs)
    return (*quick, "--data-dir", data_dir, "--runs-dir", runs_dir)


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.long)])
def test_they_train_as_one_process_does_and_the_first_writes(count, data_dir, tmp_path, start_all):
    processes = start_all(count, *options_for(data_dir, tmp_path / "several", 2))
    statuses, outputs = wait_for(processes)
    assert statuses == [0] * count, outputs
    assert "test accuracy" in outputs[0][0]
    printed = [line for out, _ in outputs[1:] for line in out.splitlines()]
    assert all(line.startswith("[Gloo]") for line in printed)  # of the collectives' library
    (run,) = (tmp_path / "several" / "cnn").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["device_count"], summary["process_count"]) == (count, count)
    assert (run / "figures" / "predictions.png").exists()

    alone = [sys.executable, "-m", "experiments.cnn"]
    subprocess.run(
        [*alone, *map(str, options_for(data_dir, tmp_path / "alone", 2))],
        check=True,
        capture_output=True,
    )
    (single,) = (tmp_path / "alone" / "cnn").iterdir()
    np.testing.assert_allclose(losses_of(run), losses_of(single), rtol=1e-3)

    # Another number of processes resumes it.
    subprocess.run([*alone, "--resume", str(run), "--epochs", "3"], check=True, capture_output=True)
    assert json.loads((run / "summary.json").read_text())["process_count"] == 1
    assert len(losses_of(run)) > len(losses_of(single))


@pytest.mark.parametrize("killed", [0, 1])
def test_if_one_is_killed_the_other_stops_and_the_run_can_be_resumed(
    killed, data_dir, tmp_path, start_all
):
    runs_dir = tmp_path / "runs"
    processes = start_all(2, *options_for(data_dir, runs_dir, 100_000))
    deadline = time.monotonic() + 120
    while not any(path.name.isdigit() for path in runs_dir.glob("cnn/*/checkpoints/*")):
        assert time.monotonic() < deadline, "no checkpoint was written"
        assert all(process.poll() is None for process in processes)
        time.sleep(0.5)
    processes[killed].send_signal(signal.SIGKILL)
    _, error = processes[1 - killed].communicate(timeout=60)
    (run,) = (runs_dir / "cnn").iterdir()
    if processes[1 - killed].returncode == -signal.SIGABRT:
        # The first process serves JAX's own coordination, which may notice before we do.
        assert killed == 0
        assert "another task died" in error
    else:
        assert processes[1 - killed].returncode == 1
        assert "error: This process of the training or another one has stopped" in error
        assert f"--resume {run}" in error
    processes[killed].communicate()

    resumed = start_all(2, "--resume", run)
    lines = []
    while not any(line.startswith("Resuming from step") for line in lines):
        lines.append(resumed[0].stderr.readline())
        assert lines[-1], lines
    time.sleep(5)
    resumed[1].send_signal(signal.SIGINT)
    _, error = resumed[0].communicate(timeout=60)
    assert "Stopped at step" in error
    assert [process.wait(60) for process in resumed] == [130, 130]


def test_options_that_differ_from_those_of_the_first_are_refused(data_dir, tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    options = options_for(data_dir, tmp_path, 1)
    processes = [start(0, 2, port, *options), start(1, 2, port, *options, "--seed", 3)]
    _, (_, error) = (process.communicate(timeout=120) for process in processes)
    assert "error: --seed is 3 in process 1, but 0 in the first: give all" in error
    assert [process.returncode != 0 for process in processes] == [True, True]
    assert not list(tmp_path.glob("cnn/*/summary.json"))


def test_a_damaged_checkpoint_is_one_line_that_says_what_to_do(data_dir, tmp_path, start_all):
    runs_dir = tmp_path / "runs"
    statuses, outputs = wait_for(start_all(2, *options_for(data_dir, runs_dir, 2)))
    assert statuses == [0, 0], outputs
    (run,) = (runs_dir / "cnn").iterdir()
    newest = max((run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    for path in (path for path in newest.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes()[::-1])
    statuses, outputs = wait_for(start_all(2, "--resume", run, "--epochs", 3))
    assert 0 not in statuses
    line = (
        f"error: The checkpoint of step {newest.name} is damaged; remove it from {run}/checkpoints."
    )
    assert any(line in errors for _, errors in outputs), outputs
