"""Convolution of bfloat16 on CPU: products of patches, summed in float32.

XLA for CPU convolves bfloat16 by converting it to float32. Its products of matrices of bfloat16 use
the processor's own instructions (AVX512-BF16), which makes them twice as fast as those of float32.
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.typing import DTypeLike

from jaxdl.nn.cpu.grouping import group_size, into_groups
from jaxdl.nn.cpu.patches import (
    Padding,
    convolved_size,
    extract_patches,
    transposed_kernel,
)

CACHED_VALUES = 2**21
"""Number of values of the patches that are processed together: 4 MiB, which fit into a cache."""


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_in_bfloat16(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """Convolves in two dimensions with stride 1.

    Args:
      images: bfloat16 (batch, height, width, channels).
      kernel: bfloat16 (kernel_height, kernel_width, channels, features).
      padding: (low, high) for height and for width, each below the size of the kernel.

    Returns:
      bfloat16 (batch, new_height, new_width, features).
    """
    weights = kernel.reshape(-1, kernel.shape[-1])

    def convolve_group(images: jax.Array) -> jax.Array:
        patches = extract_patches(images, kernel.shape[:2], (1, 1), padding)
        return _product(patches, weights).astype(images.dtype)

    group = _group_size(images.shape, kernel.shape, padding)
    outputs = lax.map(convolve_group, into_groups(images, group))
    return outputs.reshape(-1, *outputs.shape[2:])


def bfloat16_pays(
    dtype: DTypeLike, kernel_shape: Sequence[int], padding: Sequence[tuple[int, int]]
) -> bool:
    """Whether a convolution with stride 1 should have this form, which does not suit many devices.

    Measured on two cores with AVX512-BF16; its products would not be sharded.
    """
    axes = zip(kernel_shape[:2], padding, strict=True)
    fits = all(0 <= pad < size for size, pads in axes for pad in pads)
    return dtype == jnp.bfloat16 and fits and jax.device_count() == 1


def _forward(images: jax.Array, kernel: jax.Array, padding: Padding):
    return convolve_in_bfloat16(images, kernel, padding), (images, kernel)


def _backward(padding: Padding, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    images, kernel = residuals
    features = kernel.shape[-1]
    images_gradient = convolve_in_bfloat16(cotangent, *transposed_kernel(kernel, padding))

    def add_group(total: jax.Array, group: tuple[jax.Array, jax.Array]):
        images, cotangent = group
        patches = extract_patches(images, kernel.shape[:2], (1, 1), padding)
        # Transposed in memory: a product that reads columns takes four times as long.
        transposed = _row_major(cotangent.reshape(-1, features).T)
        return total + _product(transposed, patches.reshape(-1, patches.shape[-1])), None

    group = _group_size(images.shape, kernel.shape, padding)
    groups = (into_groups(images, group), into_groups(cotangent, group))
    zeros = jnp.zeros((features, math.prod(kernel.shape[:3])), jnp.float32)
    total, _ = lax.scan(add_group, zeros, groups)
    return images_gradient, total.T.reshape(kernel.shape).astype(kernel.dtype)


convolve_in_bfloat16.defvjp(_forward, _backward)


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices of bfloat16, with a result in float32.

    XLA must not transpose the result: of some transposed matrices it has no such product, and the
    program fails when it runs (JAX 0.12).
    """
    return _row_major(jnp.matmul(left, right, preferred_element_type=jnp.float32))


def _row_major(array: jax.Array) -> jax.Array:
    """Makes XLA lay an array out in memory in the order of its axes."""
    return with_layout_constraint(array, Layout(major_to_minor=tuple(range(array.ndim))))


def _group_size(image_shape: Sequence[int], kernel_shape: Sequence[int], padding: Padding) -> int:
    """Returns the number of examples that are processed together."""
    pixels = math.prod(convolved_size(image_shape, kernel_shape[:2], padding))
    return group_size(image_shape[0], pixels * math.prod(kernel_shape[:3]), CACHED_VALUES)
