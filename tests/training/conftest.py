import contextlib

import jax
import pytest
from logged_training import fit

from jaxdl.training import loop, throughput


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """Compiles a program once for all tests: many of them train the same small model."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


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
