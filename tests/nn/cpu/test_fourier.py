from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_patches import assert_the_same
from hypothesis import given, settings, strategies
from jax import lax

from jaxdl.nn.convolution import NHWC, convolve, convolve_transposed
from jaxdl.nn.cpu.fourier import convolve_by_fourier, fourier_pays
from jaxdl.nn.cpu.loops import tracing_loop

SAME = ((2, 2), (2, 2))


@strategies.composite
def shapes_and_padding(draw):
    """Shapes of images and kernel, and padding with which the kernel fits at least once."""
    batch, channels, features = (draw(strategies.integers(1, 3)) for _ in range(3))
    kernel = [draw(strategies.integers(1, 5)) for _ in range(2)]
    padding = [
        (draw(strategies.integers(-1, 4)), draw(strategies.integers(-1, 4))) for _ in range(2)
    ]
    size = [
        draw(strategies.integers(max(1, entries - sum(pads)), 8))
        for entries, pads in zip(kernel, padding, strict=True)
    ]
    return (batch, *size, channels), (*kernel, channels, features), padding


@settings(max_examples=4, deadline=None)
@given(shapes_and_padding(), strategies.sampled_from((jnp.float32, jnp.bfloat16)))
def test_values_and_gradients_are_those_of_a_convolution_by_patches(case, dtype):
    tolerance = 1e-5 if dtype == jnp.float32 else 0.03
    assert_the_same(convolve_by_fourier, *case, dtype, tolerance)


@pytest.mark.parametrize(
    ("image_shape", "kernel_shape", "pays"),
    [
        ((64, 7, 7, 256), (5, 5, 256, 128), True),
        ((64, 7, 7, 256), (1, 1, 256, 128), False),
        ((64, 28, 28, 1), (5, 5, 1, 64), False),
        ((64, 112, 112, 64), (5, 5, 64, 64), False),
        ((1, 7, 7, 256), (5, 5, 256, 128), False),
    ],
)
def test_this_form_pays_for_wide_layers_over_small_images_of_large_batches(
    image_shape, kernel_shape, pays
):
    padding = SAME if kernel_shape[0] == 5 else ((0, 0), (0, 0))
    assert fourier_pays(image_shape, kernel_shape, padding) == pays


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other backends use XLA's form")
@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize(
    ("ours", "by_xla"),
    [
        (
            partial(convolve, window_strides=(1, 1), padding="SAME", dimension_numbers=NHWC),
            partial(
                lax.conv_general_dilated,
                window_strides=(1, 1),
                padding="SAME",
                dimension_numbers=NHWC,
            ),
        ),
        (
            partial(convolve_transposed, strides=(1, 1)),
            partial(lax.conv_transpose, strides=(1, 1), padding="SAME"),
        ),
    ],
    ids=["convolution", "transposed"],
)
def test_inside_loops_wide_layers_over_small_images_take_this_form(
    monkeypatch, kernel_size, ours, by_xla
):
    monkeypatch.delattr("jaxdl.nn.cpu.convolution.convolve_by_patches")
    images = jax.random.normal(jax.random.key(0), (16, 7, 7, 64))
    kernel = jax.random.normal(jax.random.key(1), (kernel_size, kernel_size, 64, 64))
    with tracing_loop():
        got = ours(images, kernel)
    expected = by_xla(images, kernel)
    assert not np.array_equal(got, expected)
    np.testing.assert_allclose(got, expected, atol=1e-3)
