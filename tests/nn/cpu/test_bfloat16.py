from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_patches import assert_the_same
from hypothesis import given, settings, strategies

from jaxdl.nn.convolution import NHWC, convolve
from jaxdl.nn.cpu import bfloat16
from jaxdl.nn.cpu.bfloat16 import convolve_in_bfloat16, patches_pay
from jaxdl.nn.cpu.loops import tracing_loop

SAME = ((1, 1), (1, 1))


@strategies.composite
def shapes_and_padding(draw):
    """Shapes of images and kernel, and padding with which the kernel fits at least once."""
    batch, channels, features = (draw(strategies.integers(1, 4)) for _ in range(3))
    window = [draw(strategies.integers(1, 4)) for _ in "hw"]
    padding = tuple(
        (draw(strategies.integers(0, side - 1)), draw(strategies.integers(0, side - 1)))
        for side in window
    )
    size = [draw(strategies.integers(side, 8)) for side in window]
    return (batch, *size, channels), (*window, channels, features), padding


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(shapes_and_padding(), strategies.sampled_from((jnp.bfloat16, jnp.float32)))
def test_values_and_gradients_are_those_of_a_convolution_by_patches(case, dtype):
    assert_the_same(convolve_in_bfloat16, *case, dtype, tolerance=0.02)


@pytest.mark.parametrize("room", [1, 7 * 8 * 9 * 3 * 3, 10**9], ids=["one", "three", "all"])
def test_the_number_of_examples_that_are_convolved_at_a_time_does_not_matter(monkeypatch, room):
    monkeypatch.setattr(bfloat16, "CACHED_VALUES", room)
    shapes = ((6, 7, 8, 3), (3, 3, 3, 5))
    assert_the_same(convolve_in_bfloat16, *shapes, SAME, jnp.bfloat16, tolerance=0.02)


def test_products_are_summed_in_float32():
    """257 ones are 257, where sums in bfloat16 stop at 256."""
    images, kernel = jnp.ones((1, 1, 1, 771), jnp.bfloat16), jnp.ones((1, 1, 771, 1), jnp.bfloat16)
    kernel = kernel.at[:, :, 257:].set(0).at[:, :, 257:513].set(-1)
    values = convolve_in_bfloat16(images, kernel, ((0, 0), (0, 0)))
    assert float(values[0, 0, 0, 0]) == 1


def test_the_gradient_of_the_kernel_is_summed_in_float32_over_all_groups(monkeypatch):
    """Six hundred ones are 600, where sums in bfloat16 stop at 256."""
    monkeypatch.setattr(bfloat16, "CACHED_VALUES", 1)
    images, kernel = jnp.ones((600, 1, 1, 1), jnp.bfloat16), jnp.ones((1, 1, 1, 1), jnp.bfloat16)

    def total(kernel):
        return convolve_in_bfloat16(images, kernel, ((0, 0), (0, 0))).astype(jnp.float32).sum()

    assert float(jax.grad(total)(kernel)[0, 0, 0, 0]) == 600


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends use XLA's form")
@pytest.mark.parametrize("place", [nullcontext, tracing_loop], ids=["outside", "inside"])
def test_bfloat16_takes_this_form_inside_and_outside_loops(place):
    images = jax.random.normal(jax.random.key(0), (2, 6, 6, 8), jnp.bfloat16)
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 8, 4), jnp.bfloat16)
    with place():
        program = jax.jit(lambda i, k: convolve(i, k, (1, 1), "SAME", dimension_numbers=NHWC))
        compiled = program.lower(images, kernel).compile().as_text()
    assert " convolution(" not in compiled
    expected = jax.jit(convolve_in_bfloat16, static_argnums=2)(images, kernel, SAME)
    np.testing.assert_array_equal(program(images, kernel), expected)


@pytest.mark.parametrize(
    ("channels", "padding", "pays"),
    [(8, SAME, True), (3, SAME, False), (8, ((3, 0), (0, 0)), False)],
)
def test_this_form_pays_for_many_channels_with_paddings_below_the_size_of_the_kernel(
    channels, padding, pays
):
    assert patches_pay((3, 3, channels, 8), padding) == pays
