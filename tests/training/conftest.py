import contextlib

import pytest
from logged_training import fit

from jaxdl.training import loop, throughput


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    return directory, fit(directory)


@pytest.fixture
def single_steps(monkeypatch):
    """Makes each call one step long."""
    with monkeypatch.context() as patches:
        patches.setattr(throughput, "SECONDS_PER_CALL", 0.0)
        yield patches


@pytest.fixture
def call_at(single_steps):
    """Calls a function once after a step of a training; what this returns turns that off."""

    def arrange(step, action):
        reached = []

        @contextlib.contextmanager
        def progress(*_):
            def show(completed, note):
                if completed == step and not reached:
                    reached.append(step)
                    action()

            yield show

        single_steps.setattr(loop, "progress", progress)
        return single_steps.undo

    return arrange
