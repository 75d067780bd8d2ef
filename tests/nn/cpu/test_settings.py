import os
import subprocess
import sys

import pytest

from jaxdl.nn import cpu

GRADIENT = """
import jax
import jax.numpy as jnp
from jaxdl.nn import Conv
layer, images = Conv(64, (3, 3), use_bias=False), jnp.ones((8, 31, 31, 24))
kernel = {"params": {"kernel": jnp.ones((3, 3, 24, 64))}}
gradient = jax.jit(jax.grad(lambda kernel, images: layer.apply(kernel, images).sum()))
print("ynn" in gradient.lower(kernel, images).compile().as_text())
"""


@pytest.mark.parametrize("flags", ["", "--xla_force_host_platform_device_count=2"])
def test_the_gradient_of_a_kernel_is_not_computed_by_ynn(flags):
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", GRADIENT]
    assert subprocess.check_output(command, env=environment, text=True) == "False\n"


@pytest.mark.slow
def test_flags_of_the_user_are_kept():
    script = "import os, jaxdl.nn; print(os.environ['XLA_FLAGS'])"
    for flags in ("--xla_dump_to=x", "--xla_cpu_experimental_ynn_fusion_type="):
        environment = os.environ | {"XLA_FLAGS": flags}
        command = [sys.executable, "-c", script]
        found = subprocess.check_output(command, env=environment, text=True)
        assert found.split()[0] == flags
        assert found.count("ynn") == (cpu.HAS_YNN or "ynn" in flags)
