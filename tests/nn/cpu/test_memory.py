import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp
from jaxdl.nn.cpu.memory import keep_freed_memory

x = jnp.ones((6000, 16)).block_until_ready()
if sys.argv[1] == "keep":  # as for a train step: after JAX has started
    keep_freed_memory()
# Each call allocates its temporary memory again, more than a heap of another thread may hold.
multiply = jax.jit(lambda x: (jnp.cos(x @ x.T) @ x).sum())
for _ in range(10):
    multiply(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    multiply(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="page faults of glibc")
def test_a_program_that_runs_again_reuses_its_memory():
    faults = {
        choice: int(subprocess.check_output([sys.executable, "-c", PROGRAM, choice]))
        for choice in ("keep", "give back")
    }
    assert faults["keep"] < 0.1 * faults["give back"]
