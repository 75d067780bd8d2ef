import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings, strategies
from jax import lax

from jaxdl.analysis.flops import count_flops
from jaxdl.nn import convolve
from jaxdl.nn.convolution import NHWC

sizes = strategies.integers(1, 6)


@settings(max_examples=20, deadline=None)
@given(rows=sizes, inner=sizes, columns=sizes, batch=sizes)
def test_a_matrix_product_has_two_flops_per_triple(rows, inner, columns, batch):
    left, right = jnp.ones((batch, rows, inner)), jnp.ones((batch, inner, columns))
    assert count_flops(jnp.matmul, left, right) == 2 * batch * rows * inner * columns


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
@pytest.mark.parametrize("convolution", [lax.conv_general_dilated, convolve])
def test_a_convolution_and_its_two_gradients_have_the_same_flops(strides, convolution):
    images, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))

    def apply(images, kernel):
        return convolution(images, kernel, strides, "SAME", dimension_numbers=NHWC)

    def loss(images, kernel):
        return (apply(images, kernel) ** 2).sum()

    forward = count_flops(apply, images, kernel)
    pixels = 8 * 8 // (strides[0] * strides[1])
    assert forward == 2 * (2 * pixels * 5) * (3 * 3 * 3)
    assert count_flops(jax.grad(loss, argnums=(0, 1)), images, kernel) == 3 * forward


def test_the_body_of_a_scan_counts_once_per_iteration():
    matrix = jnp.ones((4, 4))

    @jax.jit
    def power(matrix):
        return lax.scan(lambda carry, _: (carry @ matrix, None), matrix, None, length=7)[0]

    assert count_flops(power, matrix) == 7 * 2 * 4**3
