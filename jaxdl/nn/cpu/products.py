"""Products of matrices on CPU whose elements are rounded to bfloat16, with sums in float32.

XLA for CPU computes them with the processor's own instructions for bfloat16 (AVX512-BF16) if their
results are float32: that makes them twice as fast as products of float32. With results in bfloat16
they are no faster, and for products of float32 XLA ignores that JAX asks for rounded factors.
"""

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jax.export import is_symbolic_dim

from jaxdl.nn.precision import rounds_factors


def bfloat16_pays(inputs: jax.Array) -> bool:
    """Whether to multiply in bfloat16 with sums in float32.

    True for arrays of bfloat16, and for those of float32 whose products round their factors
    (`jaxdl.nn.precision`), on a single device: XLA would not shard these products. It pays on a
    CPU with AVX512-BF16, which is not checked; with AVX2 only it is slower.
    """
    rounded = inputs.dtype == jnp.bfloat16
    rounded = rounded or (inputs.dtype == jnp.float32 and rounds_factors())
    any_size = is_symbolic_dim(inputs.shape[0])  # exported for batches of any size
    return rounded and jax.device_count() == 1 and not any_size


@jax.custom_vjp
def multiply_in_bfloat16(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices whose elements are rounded to bfloat16, in the gradients too.

    Args:
      left: bfloat16 or float32 (rows, inner).
      right: (inner, columns), of the same dtype.

    Returns:
      (rows, columns), of the dtype of the arguments.
    """
    return rounded_product(left, right).astype(left.dtype)


def _multiply_forward(left: jax.Array, right: jax.Array):
    left, right, dtype = left.astype(jnp.bfloat16), right.astype(jnp.bfloat16), left.dtype
    return rounded_product(left, right).astype(dtype), (left, right)


def _multiply_backward(factors: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    left, right = factors
    products = rounded_product(cotangent, right.T), rounded_product(left.T, cotangent)
    return tuple(product.astype(cotangent.dtype) for product in products)


multiply_in_bfloat16.defvjp(_multiply_forward, _multiply_backward)


def rounded_product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices of bfloat16 or float32, with a result in float32.

    No matrix is read by columns: the product would take four times as long, and XLA lacks some of
    these products, so that the program would fail when it runs (JAX 0.7.2 and 0.12).
    """
    left, right = row_major(left.astype(jnp.bfloat16)), row_major(right.astype(jnp.bfloat16))
    return row_major(jnp.matmul(left, right, preferred_element_type=jnp.float32))


def row_major(array: jax.Array) -> jax.Array:
    """Makes XLA lay an array out in memory in the order of its axes."""
    return with_layout_constraint(array, Layout(major_to_minor=tuple(range(array.ndim))))
