"""Programs lowered, on whatever machine, for every backend: the choice of form is that of each."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxdl.nn import NHWC, attend, convolve, convolve_transposed
from jaxdl.nn.attention import attend_at_once
from jaxdl.nn.backend import by_backend, is_cpu
from jaxdl.nn.cpu.loops import tracing_loop
from jaxdl.nn.products import multiply_matrices
from jaxdl.training.mesh import make_mesh


def lowered(function, *arguments, platform):
    """The program of a function as XLA for a platform gets it, without the names of operations."""
    traced = jax.jit(lambda *arguments: function(*arguments)).trace(*arguments)
    return traced.lower(lowering_platforms=(platform,)).as_text()


def convolve_in_loop(images, kernel):
    with tracing_loop():
        return convolve(images, kernel, (1, 1), "SAME", dimension_numbers=NHWC)


def shape(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


BFLOAT16 = [shape(512, 512, dtype=jnp.bfloat16)] * 2
IMAGES, KERNEL = shape(64, 16, 16, 64), shape(3, 3, 64, 64)
QUERY, PRESENT = shape(512, 64, 4, 32), shape(512, 64, dtype=bool)


@pytest.mark.parametrize("platform", ["tpu", "cuda", "rocm"])
def test_elsewhere_a_layer_is_xlas_own(platform):
    text = partial(lowered, platform=platform)
    products = text(multiply_matrices, *BFLOAT16)
    assert products.count("stablehlo.dot_general") == 1
    assert "bf16" in products.split("stablehlo.dot_general")[1].splitlines()[0]
    assert text(convolve_in_loop, IMAGES, KERNEL).count("stablehlo.convolution") == 1
    strides = partial(convolve_transposed, strides=(2, 2))
    assert text(strides, IMAGES, KERNEL).count("stablehlo.convolution") == 1
    attention = text(attend, QUERY, QUERY, QUERY, PRESENT)
    plain = text(attend_at_once, QUERY, QUERY, QUERY, PRESENT)
    assert attention.count("stablehlo.dot_general") == plain.count("stablehlo.dot_general")
    assert "stablehlo.while" not in attention


def test_on_a_cpu_a_layer_has_its_own_form():
    text = partial(lowered, platform="cpu")
    assert "stablehlo.convolution" not in text(convolve_in_loop, IMAGES, KERNEL)
    assert "stablehlo.while" in text(attend, QUERY, QUERY, QUERY, PRESENT)


def test_one_program_holds_the_form_of_each_backend_it_is_lowered_for():
    def double_or_halve(x):
        return by_backend(x, cpu=lambda x: 2 * x, elsewhere=lambda x: x / 2)

    exported = jax.export.export(jax.jit(double_or_halve), platforms=("cpu", "tpu"))(shape())
    assert "stablehlo.multiply" in exported.mlir_module()
    assert "stablehlo.divide" in exported.mlir_module()
    if is_cpu():
        assert exported.call(jnp.float32(3.0)) == 6.0


def test_a_mesh_says_what_its_devices_are():
    assert is_cpu(make_mesh()) == is_cpu()
