import os
import signal

import jax
import pytest
from hypothesis import settings

settings.register_profile("same_examples", derandomize=True)  # what passed once passes again

NOT_OPTIMIZED = "JAX_DISABLE_MOST_OPTIMIZATIONS"

AS_USERS_HAVE_THEM = {"faults", "test_training_commands.py", "test_streamed_memory.py"}

pytest_plugins = ["small_data_sets", "commands", "faults_report"]


def pytest_configure(config):
    """Programs that commands compile are kept for the next session, apart from the user's own."""
    programs = config.rootpath / ".pytest_cache" / "programs"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(programs))
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="session", autouse=True)
def signals_as_on_a_terminal():
    """A job in the background of a shell starts with Ctrl-C ignored; here it must arrive."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="module", autouse=True)
def compiled_without_optimization(request):
    """Small programs, of this process and of those it starts, are compiled in half the time.

    Some commands are tested as users have them. The environment may say otherwise.
    """
    if AS_USERS_HAVE_THEM & set(request.path.parts) or NOT_OPTIMIZED in os.environ:
        yield
        return
    os.environ[NOT_OPTIMIZED] = "1"
    jax.config.update(NOT_OPTIMIZED.lower(), True)
    yield
    jax.config.update(NOT_OPTIMIZED.lower(), False)
    del os.environ[NOT_OPTIMIZED]
