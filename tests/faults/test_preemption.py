"""A machine that is taken away gives notice by SIGTERM; what follows may have other devices."""

import json
import signal

import numpy as np
import pytest
import trainings

from experiments.registry import FROM_SCRATCH
from jaxdl.runs.run import Run

pytestmark = [pytest.mark.faults]

SECONDS_OF_NOTICE = 30
"""Between SIGTERM and the end of a spot machine or of a preemptible TPU VM."""


def stop_after_first_record(training, runs_dir, *arguments):
    """Starts a training, stops it by SIGTERM, and returns its run, which must be resumable."""
    (process,) = training.start("--runs-dir", str(runs_dir), *arguments, eager=False)
    trainings.wait_until(lambda: any(runs_dir.glob("*/*/metrics.jsonl")), [process])
    process.send_signal(signal.SIGTERM)
    status, errors = trainings.end_of(process, SECONDS_OF_NOTICE)
    assert status == 130, errors
    run = trainings.find_run(runs_dir, training.name)
    assert Run.open(run).checkpoint_steps()
    return run


@pytest.mark.trials(2)
def test_the_notice_is_enough_for_the_default_network_of_every_experiment(
    trial, training_of, tmp_path
):
    name = FROM_SCRATCH[-1 - trial % len(FROM_SCRATCH)]
    options = training_of(name).options
    folder = options[options.index("--data-dir") :]
    training = trainings.Training(name, (*folder, "--batch-size", "20"))
    stop_after_first_record(training, tmp_path, "--epochs", "1000")


@pytest.mark.trials(1)
def test_a_run_goes_on_with_other_devices(trial, training_of, tmp_path, monkeypatch):
    training = training_of(("cnn", "gan")[trial % 2])
    run, _ = training_of.uninterrupted(training)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
    stop_after_first_record(training, tmp_path)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    resumed = training.resume(tmp_path)
    losses, expected = (
        [
            record[name]
            for record in Run.open(each).read_metrics()
            for name in record
            if "loss" in name
        ]
        for each in (resumed, run)
    )
    np.testing.assert_allclose(losses, expected, rtol=2e-2)
    assert json.loads((resumed / "summary.json").read_text())["device_count"] == 2
