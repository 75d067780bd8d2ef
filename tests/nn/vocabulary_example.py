"""Features, a table of words, targets and weights, at random."""

import jax
import jax.numpy as jnp


def example(batch, positions, width=5, size=11):
    keys = jax.random.split(jax.random.key(0), 4)
    features = jax.random.normal(keys[0], (batch, positions, width))
    table = jax.random.normal(keys[1], (size, width))
    targets = jax.random.randint(keys[2], (batch, positions), 0, size)
    weights = jax.random.bernoulli(keys[3], 0.7, (batch, positions)).astype(jnp.float32)
    return features, table, targets, weights
