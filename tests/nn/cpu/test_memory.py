import subprocess
import sys

import pytest

PROGRAM = """
import resource, statistics, sys
import jax, jax.numpy as jnp
from jaxdl.nn.cpu.memory import keep_freed_memory

x = jnp.ones((6000, 16)).block_until_ready()
if sys.argv[1] == "keep":  # as for a train step: after JAX has started
    keep_freed_memory()
# Each call allocates its temporary memory again, more than a heap of another thread may hold.
multiply = jax.jit(lambda x: (jnp.cos(x @ x.T) @ x).sum())

def page_faults_of_a_call():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    multiply(x).block_until_ready()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

# The median, since a call may start before the previous one has freed its memory.
print(statistics.median([page_faults_of_a_call() for _ in range(20)]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="page faults of glibc")
def test_a_program_that_runs_again_reuses_its_memory():
    page_faults = {
        choice: float(subprocess.check_output([sys.executable, "-c", PROGRAM, choice]))
        for choice in ("keep", "give back")
    }
    assert page_faults["keep"] < 0.1 * page_faults["give back"]
