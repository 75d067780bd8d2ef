"""Attention in the form that is fast on the backend it is compiled for.

XLA computes the weights of a whole batch before it uses them. On CPU they leave the
cache in between, and its batched matrix products are slow: one example at a time, with
the weights computed once more for the gradient, takes less than half the time.
"""

import jax
import jax.numpy as jnp
from jax import lax


def attend(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

    Args:
      query: float (batch, time, heads, size).
      key: likewise.
      value: likewise.
      mask: bool (batch, time), True where a key may be looked at, somewhere in each example;
        None where all may.

    Returns:
      The weighted values, of the shape and dtype of ``query``.
    """

    def by_xla(query, key, value, mask=None):
        present = None if mask is None else mask[:, None, None, :]
        return jax.nn.dot_product_attention(query, key, value, mask=present)

    if mask is None:
        return lax.platform_dependent(query, key, value, cpu=attend_one_by_one, default=by_xla)
    return lax.platform_dependent(query, key, value, mask, cpu=attend_one_by_one, default=by_xla)


def attend_one_by_one(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """The same, one example after the other; arguments as in `attend`."""
    batch, time, _, size = query.shape
    if mask is None:
        mask = jnp.ones((batch, time), bool)

    def one_example(arrays: tuple[jax.Array, ...]) -> jax.Array:
        query, key, value, mask = arrays
        scores = jnp.einsum("qhd,khd->hqk", query, key, preferred_element_type=jnp.float32)
        scores = jnp.where(mask, scores / size**0.5, -jnp.inf)
        weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
        sums = weights.sum(-1).T[..., None]
        weighted = jnp.einsum(
            "hqk,khd->qhd", weights.astype(value.dtype), value, preferred_element_type=jnp.float32
        )
        return (weighted / sums).astype(value.dtype)

    return lax.map(jax.checkpoint(one_example), (query, key, value, mask))
