"""Fixtures that run the commands as users run them."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def runs_of(folder: Path) -> list[Path]:
    """The directories of the runs in the folder of an experiment, the oldest first."""
    return sorted(path for path in folder.iterdir() if path.is_dir())


def only_run(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The directory of the only run in the folder of an experiment, and its summary."""
    (run,) = runs_of(folder)
    return run, json.loads((run / "summary.json").read_text())


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


PROGRESS = re.compile(r"The training will take about .*\.|[^:]+: +\d+%.*")


@pytest.fixture
def without_progress():
    """Drops from standard error the lines that depend on how fast the machine is."""
    return lambda errors: [line for line in errors.splitlines() if not PROGRESS.fullmatch(line)]


@pytest.fixture
def command(capsys, monkeypatch):
    """Runs ``python -m experiments.NAME ARGUMENTS``, or of another package, in this process.

    Returns exit status, standard output and standard error.
    """

    def run(name: str, *arguments: object) -> tuple[int, str, str]:
        module = name if "." in name else f"experiments.{name}"
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.delitem(sys.modules, module, raising=False)
        with pytest.raises(SystemExit) as exit_:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        return exit_.value.code, *capsys.readouterr()

    return run


def train_in_a_process(experiment: str, *options: object) -> None:
    """Trains in a process of its own, with programs that are compiled in half the time."""
    compiled_faster = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [sys.executable, "-m", f"experiments.{experiment}", *map(str, options)]
    subprocess.run(command, check=True, env=compiled_faster)


@pytest.fixture(scope="session")
def trained_run(data_dir, runs_dir) -> Path:
    """Trains the CNN, and returns the directory of the run."""
    options = ("--epochs", 6, "--batch-size", 20, "--shift", 0, "--rotation", 0, "--zoom", 0)
    train_in_a_process("cnn", *options, "--data-dir", data_dir, "--runs-dir", runs_dir)
    (run,) = (runs_dir / "cnn").iterdir()
    return run
