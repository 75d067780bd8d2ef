from contextlib import nullcontext
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_patches import assert_the_same, values_and_gradients
from hypothesis import given, settings, strategies
from jax import lax

from jaxdl.nn.convolution import NHWC, convolve
from jaxdl.nn.cpu import winograd
from jaxdl.nn.cpu.convolution import convolve_by_patches
from jaxdl.nn.cpu.loops import tracing_loop
from jaxdl.nn.cpu.winograd import convolve_by_winograd, winograd_pays

SAME = ((1, 1), (1, 1))


@strategies.composite
def shapes_and_padding(draw):
    """Shapes of images and kernel, and padding with which the kernel fits at least once."""
    batch, channels, features = (draw(strategies.integers(1, 4)) for _ in range(3))
    padding = tuple(
        (draw(strategies.integers(0, 2)), draw(strategies.integers(0, 2))) for _ in "hw"
    )
    size = [draw(strategies.integers(max(1, 3 - low - high), 10)) for low, high in padding]
    return (batch, *size, channels), (3, 3, channels, features), padding


@settings(max_examples=4, deadline=None)
@given(shapes_and_padding(), strategies.sampled_from((jnp.float32, jnp.bfloat16)))
def test_values_and_gradients_are_those_of_a_convolution_by_patches(case, dtype):
    tolerance = 2e-5 if dtype == jnp.float32 else 0.03
    assert_the_same(convolve_by_winograd, *case, dtype, tolerance)


@pytest.mark.parametrize("room", [1, 36 * 4 * 5 * 3, 10**9], ids=["one", "three", "all"])
def test_the_number_of_examples_that_are_convolved_at_a_time_does_not_matter(monkeypatch, room):
    jax.clear_caches()  # of what was traced for another number
    monkeypatch.setattr(winograd, "CACHED_VALUES", room)
    images = jax.random.normal(jax.random.key(0), (6, 7, 8, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 5))
    forms = (
        lambda images, kernel: convolve_by_winograd(images, kernel, SAME),
        lambda images, kernel: convolve_by_patches(images, kernel, (1, 1), SAME),
    )
    results = (values_and_gradients(form, images, kernel) for form in forms)
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-5 * float(jnp.abs(expected).max()))
    jax.clear_caches()


def test_second_derivatives_are_those_of_a_convolution_by_patches():
    """As a gradient penalty needs them."""
    images = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))

    def penalty_gradient(convolve):
        def penalty(kernel):
            gradient = jax.grad(lambda images: jnp.square(convolve(images, kernel)).sum())(images)
            return jnp.square(gradient).sum()

        return jax.jit(jax.grad(penalty))(kernel)

    got = penalty_gradient(lambda images, kernel: convolve_by_winograd(images, kernel, SAME))
    expected = penalty_gradient(
        lambda images, kernel: convolve_by_patches(images, kernel, (1, 1), SAME)
    )
    np.testing.assert_allclose(got, expected, atol=2e-5 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize(
    ("image_shape", "kernel_shape", "padding", "pays"),
    [
        ((64, 16, 16, 128), (3, 3, 128, 128), SAME, True),
        ((64, 32, 32, 16), (3, 3, 16, 16), SAME, False),
        ((64, 16, 16, 128), (5, 5, 128, 128), ((2, 2), (2, 2)), False),
        ((64, 16, 16, 128), (3, 3, 128, 128), ((3, 0), (0, 0)), False),
        ((64, 2, 2, 512), (3, 3, 512, 512), SAME, False),
    ],
)
def test_this_form_pays_for_wide_layers_with_kernels_of_three(
    image_shape, kernel_shape, padding, pays
):
    assert winograd_pays(image_shape, kernel_shape, padding) == pays


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends use XLA's form")
@pytest.mark.parametrize("place", [nullcontext, tracing_loop], ids=["outside", "inside"])
def test_such_layers_take_this_form_inside_and_outside_loops(monkeypatch, place):
    monkeypatch.delattr("jaxdl.nn.cpu.convolution.convolve_by_patches")
    images = jax.random.normal(jax.random.key(0), (2, 9, 8, 32))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 32, 40))
    arguments = (images, kernel, (1, 1), "SAME")
    expected = lax.conv_general_dilated(*arguments, dimension_numbers=NHWC)
    with place():
        got = convolve(*arguments, dimension_numbers=NHWC)
    assert not np.array_equal(got, expected)
    np.testing.assert_allclose(got, expected, atol=2e-5 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize("place", [nullcontext, tracing_loop], ids=["outside", "inside"])
def test_with_a_precision_the_form_is_one_that_keeps_it(place):
    images = jax.random.normal(jax.random.key(0), (2, 9, 8, 32))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 32, 40))
    with place():
        results = [
            form(images, kernel, (1, 1), SAME, precision=lax.Precision.HIGHEST)
            for form in (partial(convolve, dimension_numbers=NHWC), convolve_by_patches)
        ]
    np.testing.assert_allclose(*results, atol=1e-6 * float(jnp.abs(results[0]).max()))
