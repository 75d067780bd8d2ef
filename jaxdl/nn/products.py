"""Products of two matrices in the form that is fast on the backend they are compiled for."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.nn.backend import by_backend
from jaxdl.nn.cpu.products import bfloat16_pays, multiply_in_bfloat16, rounded_product
from jaxdl.nn.precision import ROUNDED_FACTORS


def multiply_matrices(left: jax.Array, right: jax.Array, precision: Any = None) -> jax.Array:
    """Multiplies (rows, inner) by (inner, columns) of one dtype; the result has that dtype.

    It can be differentiated in reverse mode, also twice; but in bfloat16, or with rounded factors,
    not in forward mode on one device.
    """
    if bfloat16_pays(left) and precision is None:
        by_xla = partial(jnp.dot, precision=_rounding_of(left))
        return by_backend(left, right, cpu=multiply_in_bfloat16, elsewhere=by_xla)
    return jnp.dot(left, right, precision=precision)


def product_in_float32(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices of one dtype and returns float32, whatever that dtype is.

    Use it in functions that define their own gradients: automatic ones would be slow on a CPU.
    """
    by_xla = partial(jnp.matmul, preferred_element_type=jnp.float32)
    if bfloat16_pays(left):
        by_xla = partial(by_xla, precision=_rounding_of(left))
        return by_backend(left, right, cpu=rounded_product, elsewhere=by_xla)
    return by_xla(left, right)


def _rounding_of(array: jax.Array) -> str | None:
    """Returns the precision that rounds ``array`` in a product; None if it is bfloat16 already."""
    return ROUNDED_FACTORS if array.dtype == jnp.float32 else None
