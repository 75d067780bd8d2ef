"""Attention in the form that is fast on the backend it is compiled for.

XLA computes the weights of a whole batch before it uses them. On CPU they are evicted from the
cache in between: it takes less than half the time to process only as many examples at once as the
cache has room for, and to compute the weights again for the gradient.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.export import is_symbolic_dim

from jaxdl.nn.backend import by_backend
from jaxdl.nn.cpu.grouping import group_size, into_groups

CACHED_WEIGHTS = 2**20
"""Number of attention weights that the cache of a CPU has room for: 4 MiB of float32."""


def attend(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """Computes scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

    Args:
      query: float (batch, time, heads, width).
      key: of the shape and dtype of ``query``.
      value: of the shape and dtype of ``query``.
      mask: bool (batch, time), True where a key may be attended to, at least once in each example;
        None to allow all keys.

    Returns:
      The weighted values, of the shape and dtype of ``query``.
    """
    if mask is None:
        mask = jnp.ones(query.shape[:2], bool)
    if is_symbolic_dim(query.shape[0]):  # exported for batches of any size
        return attend_at_once(query, key, value, mask)
    return by_backend(query, key, value, mask, cpu=attend_by_groups, elsewhere=attend_at_once)


def attend_at_once(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array
) -> jax.Array:
    """Processes all examples together, in XLA's own form; arguments as in `attend`."""
    return jax.nn.dot_product_attention(query, key, value, mask=mask[:, None, None, :])


def attend_by_groups(
    query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array
) -> jax.Array:
    """Processes as many examples at once as the cache has room for; arguments as in `attend`.

    It computes in float32, since older XLA for CPU has no such products in bfloat16.
    """
    batch, time, heads, _ = query.shape
    arrays = (*(array.astype(jnp.float32) for array in (query, key, value)), mask)
    group = group_size(batch, heads * time * time, CACHED_WEIGHTS)
    if group == batch:
        return attend_at_once(*arrays).astype(query.dtype)
    groups = tuple(into_groups(array, group) for array in arrays)
    attend_group = jax.checkpoint(lambda arrays: attend_at_once(*arrays))
    return lax.map(attend_group, groups).reshape(query.shape).astype(query.dtype)
