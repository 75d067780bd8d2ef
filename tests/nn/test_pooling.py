import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings, strategies

from jaxdl.nn import max_pool


@settings(max_examples=6, deadline=None)
@given(
    strategies.tuples(*[strategies.integers(1, 7)] * 2),
    strategies.integers(1, 3),
    strategies.sampled_from((jnp.float32, jnp.bfloat16)),
)
def test_values_and_gradients_are_those_of_the_windowed_reduction(size, window, dtype):
    shape = (2, max(size[0], window), max(size[1], window), 2)
    distinct = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape)
    images = jnp.asarray(distinct, dtype)

    def expected_pool(images):
        return nn.max_pool(images, (window, window), (window, window))

    @jax.jit
    def compare(images):
        weights = jnp.arange(expected_pool(images).size, dtype=dtype)
        return [
            (pool(images), jax.grad(lambda x, f=pool: (f(x).ravel() * weights).sum())(images))
            for pool in (lambda images: max_pool(images, window), expected_pool)
        ]

    (values, gradients), (expected_values, expected_gradients) = compare(images)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(gradients, expected_gradients)


def test_rows_and_columns_that_fill_no_window_are_cut_off():
    images = jnp.arange(15.0).reshape(1, 3, 5, 1)
    np.testing.assert_array_equal(max_pool(images, 2)[0, ..., 0], [[6, 8]])


def test_equal_entries_share_the_gradient():
    gradients = jax.grad(lambda images: max_pool(images, 2).sum())(jnp.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(gradients, np.full((1, 2, 2, 1), 0.25))
