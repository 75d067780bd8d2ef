import jax.numpy as jnp
import pytest
from by_patches import assert_the_same
from hypothesis import given, settings, strategies

from jaxdl.nn.cpu import bfloat16
from jaxdl.nn.cpu.bfloat16 import bfloat16_pays, convolve_in_bfloat16

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


@settings(max_examples=6, deadline=None)
@given(shapes_and_padding())
def test_values_and_gradients_are_those_of_a_convolution_by_patches(case):
    assert_the_same(convolve_in_bfloat16, *case, jnp.bfloat16, tolerance=0.02)


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


@pytest.mark.parametrize(
    ("dtype", "padding", "pays"),
    [
        (jnp.bfloat16, SAME, True),
        (jnp.float32, SAME, False),
        (jnp.bfloat16, ((3, 0), (0, 0)), False),
    ],
)
def test_this_form_pays_for_bfloat16_with_paddings_below_the_size_of_the_kernel(
    dtype, padding, pays
):
    assert bfloat16_pays(dtype, (3, 3, 8, 8), padding) == pays
