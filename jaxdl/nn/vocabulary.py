"""Cross-entropy over a vocabulary, without keeping the logits of all positions in memory.

The logits of 64 texts of 400 words over a vocabulary of 10,000 take a gigabyte. They are computed
for some positions at a time, and their gradient with them, so that no logit is computed twice (as
in the kernels of Hsu et al. 2024, "Liger Kernel", section 3.2).
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.products import product_in_float32

POSITIONS_AT_ONCE = 1024
"""Positions of all texts together; a quarter or four times as many take longer on two cores."""


@jax.custom_vjp
def summed_cross_entropy(
    features: jax.Array, table: jax.Array, targets: jax.Array, weights: jax.Array
) -> jax.Array:
    """Sums the weighted cross-entropies of softmax(features @ table.T) over all positions.

    Args:
      features: (batch, positions, width).
      table: (vocabulary, width), of the same dtype.
      targets: int32 (batch, positions), indices of rows of the table.
      weights: float32 (batch, positions); they have no gradient.

    Returns:
      float32, a scalar.
    """
    return cross_entropies(features, table, targets, weights).sum()


def cross_entropies(
    features: jax.Array, table: jax.Array, targets: jax.Array, weights: jax.Array
) -> jax.Array:
    """Sums the weighted losses of each text, float32 (batch,); see `summed_cross_entropy`."""
    columns = table.T

    def add(total: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        features, targets, weights = part
        losses, _, _ = _losses(features, columns, targets)
        return total + (losses * weights).sum(-1), None

    zeros = jnp.zeros(len(features), jnp.float32)
    return lax.scan(add, zeros, split_positions(features, targets, weights))[0]


def _losses(
    features: jax.Array, columns: jax.Array, targets: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Computes cross-entropies (batch, positions), logits, and the log-sum-exp of the logits."""
    logits = product_in_float32(features.reshape(-1, features.shape[-1]), columns)
    logits = logits.reshape(*targets.shape, -1)
    normalisers = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return normalisers - chosen, logits, normalisers


def split_positions(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Splits arrays (batch, positions, ...) into (parts, batch, positions of a part, ...).

    The last part is padded with zeros, also in the weights, so that the padding does not count.
    """
    batch, positions = arrays[0].shape[:2]
    size = max(1, min(positions, POSITIONS_AT_ONCE // batch))
    missing = math.ceil(positions / size) * size - positions

    def split(array: jax.Array) -> jax.Array:
        padded = jnp.pad(array, [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2))
        return jnp.moveaxis(padded.reshape(batch, -1, size, *array.shape[2:]), 1, 0)

    return tuple(map(split, arrays))


def _forward(features: jax.Array, table: jax.Array, targets: jax.Array, weights: jax.Array):
    """Also computes the gradients; that of the logits is the probabilities less 1 at the target."""
    columns = table.T
    positions, width = features.shape[1:]

    def add(carry: tuple[jax.Array, jax.Array], part: tuple[jax.Array, ...]):
        total, columns_gradient = carry
        features, targets, weights = part
        losses, logits, normalisers = _losses(features, columns, targets)
        probabilities = jnp.exp(logits - normalisers[..., None]) * weights[..., None]
        probabilities = probabilities.astype(table.dtype).reshape(-1, len(table))
        columns_gradient += product_in_float32(features.reshape(-1, width).T, probabilities)
        features_gradient = product_in_float32(probabilities, table).reshape(features.shape)
        return (total + (losses * weights).sum(), columns_gradient), features_gradient

    zeros = (jnp.zeros((), jnp.float32), jnp.zeros(columns.shape, jnp.float32))
    (total, columns_gradient), features_gradient = lax.scan(
        add, zeros, split_positions(features, targets, weights)
    )
    features_gradient = jnp.moveaxis(features_gradient, 0, 1).reshape(len(features), -1, width)
    features_gradient = features_gradient[:, :positions] - weights[..., None] * table[targets]
    weighted = features * weights[..., None].astype(features.dtype)
    table_gradient = columns_gradient.T.at[targets].add(-weighted.astype(jnp.float32))
    return total, (features_gradient.astype(features.dtype), table_gradient.astype(table.dtype))


def _backward(gradients: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    features_gradient, table_gradient = (
        gradient * cotangent.astype(gradient.dtype) for gradient in gradients
    )
    return features_gradient, table_gradient, None, None


summed_cross_entropy.defvjp(_forward, _backward)
