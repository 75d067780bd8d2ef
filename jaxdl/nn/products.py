"""Products of two matrices in the form that is fast on the backend they are compiled for."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.cpu.products import bfloat16_pays, rounded_product


def product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices of one dtype with sums, and a result, in float32; for no gradients.

    Args:
      left: bfloat16 or float32 (rows, inner).
      right: (inner, columns).
    """
    by_xla = partial(jnp.matmul, preferred_element_type=jnp.float32)
    if bfloat16_pays(left):
        return lax.platform_dependent(left, right, cpu=rounded_product, default=by_xla)
    return by_xla(left, right)
