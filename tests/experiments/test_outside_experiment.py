"""An experiment of another package, which an entry point declares."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.registry import find_experiment
from jaxdl.errors import UsageError
from jaxdl.runs import Run
from jaxdl.runs.run import module_of

OUTSIDE = Path(__file__).parent / "outside"


@pytest.fixture
def installed(monkeypatch):
    """Puts the other package on the path, as its installation would, and removes it again."""
    monkeypatch.syspath_prepend(OUTSIDE)
    yield
    for name in [name for name in sys.modules if name.startswith("outside_package")]:
        del sys.modules[name]


def run_python(*arguments):
    """Runs Python in a process in which the other package is installed; returns its output."""
    path = os.pathsep.join([str(OUTSIDE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": path}
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="session")
def linear_run(data_dir, tmp_path_factory):
    """Trains the experiment as its user does, and returns the directory of the run."""
    runs_dir = tmp_path_factory.mktemp("outside-runs")
    folders = ("--data-dir", data_dir, "--runs-dir", runs_dir)
    output = run_python("-m", "outside_package.linear", "--preset", "quick", *folders)
    assert "Linear, 7,850 parameters" in output
    (run,) = (runs_dir / "linear").iterdir()
    return run


def test_it_trains(linear_run):
    summary = json.loads((linear_run / "summary.json").read_text())
    assert (summary["experiment"], summary["epochs"]) == ("linear", 10)
    assert summary["test_accuracy"] > 0.8


@pytest.mark.slow
def test_its_run_predicts(linear_run, tmp_path):
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 12:16] = 255
    Image.fromarray(picture).save(tmp_path / "digit.png")
    arguments = ("-m", "experiments.predict", linear_run, tmp_path / "digit.png", "--json")
    (prediction,) = json.loads(run_python(*arguments))
    assert list(prediction["probabilities"]) == list("0123456789")


def test_its_run_is_exported(installed, command, linear_run, tmp_path):
    output = tmp_path / "linear.stablehlo"
    status, _, errors = command("export", linear_run, "--output", output)
    assert status == 0, errors
    assert output.stat().st_size > 1000


def test_its_run_is_resumed_by_the_command_that_the_run_names(installed, command, linear_run):
    resume = Run.open(linear_run).command_to_resume
    assert resume == f"python -m outside_package.linear --resume {linear_run}"
    arguments = (*resume.split()[3:], "--epochs", 11)
    status, output, errors = command("outside_package.linear", *arguments)
    assert status == 0, errors
    assert "Resuming from step 160 of 176.\n" in errors
    assert "11/11" in output


def test_another_experiment_refuses_its_run_by_the_command_that_resumes_it(
    installed, command, linear_run
):
    status, _, errors = command("mlp", "--resume", linear_run)
    assert status == 2
    assert errors.endswith(
        f"resume it with python -m outside_package.linear --resume {linear_run}\n"
    )


def test_its_help_names_its_module(installed, command):
    status, output, _ = command("outside_package.linear", "--help")
    assert status == 0
    assert "usage: python -m outside_package.linear" in output
    assert "--scale" in output


def test_without_the_package_its_run_is_refused_in_one_line(command, linear_run, tmp_path):
    status, _, errors = command("predict", linear_run, tmp_path / "digit.png")
    assert (status, len(errors.splitlines())) == (2, 1)
    assert "There is no experiment linear, only mlp, cnn" in errors


def test_it_replaces_an_experiment_of_the_same_name(installed, monkeypatch):
    renamed = EntryPoint("mlp", "outside_package.linear:EXPERIMENT", "jaxdl.experiments")
    for module in ("experiments.registry", "jaxdl.runs.run"):
        monkeypatch.setattr(f"{module}.entry_points", lambda group: (renamed,))
    assert find_experiment("mlp").name == "linear"
    assert module_of("mlp") == "outside_package.linear"


def test_the_registry_finds_it_where_it_is_installed(installed):
    experiment = find_experiment("linear")
    assert (experiment.name, experiment.config().model.scale) == ("linear", 1.0)
    with pytest.raises(UsageError, match=r"There is no experiment quadratic, only .*, linear\."):
        find_experiment("quadratic")
