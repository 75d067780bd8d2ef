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
    """The same, one head of one example after the other; arguments as in `attend`."""
    batch, time, heads, size = query.shape
    if mask is None:
        mask = jnp.ones((batch, time), bool)

    def one_head(arrays: tuple[jax.Array, ...]) -> jax.Array:
        query, key, value, mask = arrays
        scores = jnp.dot(query, key.T, preferred_element_type=jnp.float32) / size**0.5
        scores = jnp.where(mask, scores, -jnp.inf)
        weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
        weighted = jnp.dot(weights.astype(value.dtype), value, preferred_element_type=jnp.float32)
        return (weighted / weights.sum(-1, keepdims=True)).astype(value.dtype)

    apart = [x.swapaxes(1, 2).reshape(batch * heads, time, size) for x in (query, key, value)]
    weighted = lax.map(jax.checkpoint(one_head), (*apart, mask.repeat(heads, axis=0)))
    return weighted.reshape(batch, heads, time, size).swapaxes(1, 2)
