import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.nn import Dense, DenseGeneral

SIZES = strategies.lists(strategies.integers(1, 4), min_size=1, max_size=3)


@settings(max_examples=4, deadline=None)
@given(SIZES, SIZES, SIZES, strategies.sampled_from((jnp.float32, jnp.bfloat16)))
def test_parameters_values_and_gradients_are_those_of_flax(leading, sizes, features, dtype):
    inputs = jax.random.normal(jax.random.key(0), (*leading, *sizes)).astype(dtype)
    axes = tuple(range(-len(sizes), 0))

    @jax.jit
    def compare(inputs):
        layers = [
            layer(tuple(features), axis=axes, dtype=dtype)
            for layer in (DenseGeneral, nn.DenseGeneral)
        ]
        initialised = [layer.init(jax.random.key(1), inputs) for layer in layers]
        results = []
        for layer in layers:
            outputs, pull_back = jax.vjp(layer.apply, initialised[0], inputs)
            results.append((outputs, pull_back(jnp.cos(outputs))))
        return initialised, results

    for ours, flax in compare(inputs):
        for got, expected in zip(*map(jax.tree.leaves, (ours, flax)), strict=True):
            assert got.dtype == expected.dtype
            tolerance = 1e-5 if dtype == jnp.float32 else 0.05
            np.testing.assert_allclose(
                got.astype(jnp.float32),
                expected.astype(jnp.float32),
                atol=tolerance * max(1.0, float(jnp.abs(expected).max())),
            )


def test_the_product_of_another_layer_is_an_error():
    layer = DenseGeneral(3, axis=0)
    with pytest.raises(ValueError, match="not the product of a dense layer"):
        layer.init(jax.random.key(0), jnp.ones((4, 5)))


def test_a_dense_layer_gives_the_outputs_of_flax():
    inputs = jax.random.normal(jax.random.key(0), (2, 3, 4))
    for ours, flax in ((Dense(5), nn.Dense(5)), (Dense(5, use_bias=False), nn.Dense(5, False))):
        got, variables = ours.init_with_output(jax.random.key(1), inputs)
        np.testing.assert_allclose(got, flax.apply(variables, inputs), atol=1e-6)
