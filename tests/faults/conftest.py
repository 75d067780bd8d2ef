"""The campaign of faults: commands are disturbed in many ways, and must lose nothing.

    python -m pytest -m faults                                    # some minutes: a few of each kind
    python -m pytest -m faults --trials 0.25                      # a quarter of that: the gate
    python -m pytest -m faults --trials 20 --report faults.json   # hours: twenty times as many

Each trial draws its fault from its own number, so that one that fails can be run again. The report
counts the trials of each kind, and those in which something was lost, wrong or unclear.
"""

import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.extend([str(Path(__file__).parent), str(Path(__file__).parent.parent / "data" / "own")])
import trainings
from small_own import write_pictures


def pytest_generate_tests(metafunc):
    """Gives a test that takes a ``trial`` the numbers of its trials: ``@pytest.mark.trials(5)``."""
    if "trial" in metafunc.fixturenames:
        (count,) = metafunc.definition.get_closest_marker("trials").args
        trials = math.ceil(count * metafunc.config.getoption("--trials"))
        metafunc.parametrize("trial", range(trials))


@pytest.fixture
def random(trial, request):
    """The random numbers of a trial."""
    kind = sum(request.function.__name__.encode())
    return np.random.default_rng((kind, trial))


@pytest.fixture(scope="session")
def training_of(data_dir, cifar_dir, review_dir, tmp_path_factory):
    """Returns the training of an experiment on small data; "NAME-2" has two processes."""
    folders = {"cifar": cifar_dir, "reviews": review_dir}
    programs = tmp_path_factory.mktemp("programs")
    paint = write_pictures(tmp_path_factory.mktemp("own") / "paint", 30)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(programs)

    def build(name):
        name, _, processes = name.partition("-")
        folder = folders.get(trainings.DATA_SETS.get(name), data_dir)
        options = (*trainings.OPTIONS[name], "--data-dir", str(folder))
        if name == "gan":
            extractor, _ = uninterrupted(build("cnn"))
            options += ("--feature-extractor", str(extractor))
        if name == "streamed":
            options += ("--dataset", str(paint))
        name = trainings.EXPERIMENTS.get(name, name)
        return trainings.Training(name, options, int(processes or 1))

    finished = {}

    def uninterrupted(training):
        if training not in finished:
            runs_dir = tmp_path_factory.mktemp("uninterrupted")
            training.resume(runs_dir)  # compiles
            started = time.monotonic()
            run = training.resume(tmp_path_factory.mktemp("uninterrupted"))
            finished[training] = run, time.monotonic() - started
        return finished[training]

    build.uninterrupted = uninterrupted
    return build
