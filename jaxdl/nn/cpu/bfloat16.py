"""Convolution on CPU by patches that are rounded to bfloat16.

XLA for CPU convolves bfloat16 by converting it to float32, although its products of bfloat16 are
twice as fast (`jaxdl.nn.cpu.products`).
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.cpu.grouping import group_size, into_groups
from jaxdl.nn.cpu.patches import Padding, convolved_size, extract_patches, transposed_kernel
from jaxdl.nn.cpu.products import rounded_product

CACHED_VALUES = 2**21
"""Number of values of the patches that are processed together: 4 MiB, which fit into a cache."""
FEWEST_CHANNELS = 8


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_in_bfloat16(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """Convolves in two dimensions with stride 1; factors are rounded to bfloat16.

    Args:
      images: bfloat16 or float32 (batch, height, width, channels).
      kernel: (kernel_height, kernel_width, channels, features), of the same dtype.
      padding: (low, high) for height and for width, each below the size of the kernel.

    Returns:
      (batch, new_height, new_width, features), of the dtype of the images.
    """
    dtype = images.dtype
    weights = kernel.reshape(-1, kernel.shape[-1])

    def convolve_group(images: jax.Array) -> jax.Array:
        patches = extract_patches(images, kernel.shape[:2], (1, 1), padding)
        return rounded_product(patches, weights).astype(dtype)

    group = _group_size(images.shape, kernel.shape, padding)
    outputs = lax.map(convolve_group, into_groups(images.astype(jnp.bfloat16), group))
    return outputs.reshape(-1, *outputs.shape[2:])


def patches_pay(kernel_shape: Sequence[int], padding: Sequence[tuple[int, int]]) -> bool:
    """Whether a convolution with stride 1 in bfloat16 should have this form.

    XLA's own is as fast where the images have few channels, as pictures do.

    Args:
      kernel_shape: (kernel_height, kernel_width, channels, features).
      padding: (low, high) for height and for width.
    """
    axes = zip(kernel_shape[:2], padding, strict=True)
    fits = all(0 <= pad < size for size, pads in axes for pad in pads)
    return fits and kernel_shape[2] >= FEWEST_CHANNELS


def _forward(images: jax.Array, kernel: jax.Array, padding: Padding):
    factors = images.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
    return convolve_in_bfloat16(images, kernel, padding), factors


def _backward(padding: Padding, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    images, kernel = residuals
    features, dtype = kernel.shape[-1], cotangent.dtype
    images_gradient = convolve_in_bfloat16(cotangent, *transposed_kernel(kernel, padding))
    cotangent = cotangent.astype(jnp.bfloat16)

    def add_group(total: jax.Array, group: tuple[jax.Array, jax.Array]):
        images, cotangent = group
        patches = extract_patches(images, kernel.shape[:2], (1, 1), padding)
        transposed = cotangent.reshape(-1, features).T
        return total + rounded_product(transposed, patches.reshape(-1, patches.shape[-1])), None

    group = _group_size(images.shape, kernel.shape, padding)
    groups = (into_groups(images, group), into_groups(cotangent, group))
    zeros = jnp.zeros((features, math.prod(kernel.shape[:3])), jnp.float32)
    total, _ = lax.scan(add_group, zeros, groups)
    return images_gradient, total.T.reshape(kernel.shape).astype(dtype)


convolve_in_bfloat16.defvjp(_forward, _backward)


def _group_size(image_shape: Sequence[int], kernel_shape: Sequence[int], padding: Padding) -> int:
    """Returns the number of examples that are processed together."""
    pixels = math.prod(convolved_size(image_shape, kernel_shape[:2], padding))
    return group_size(image_shape[0], pixels * math.prod(kernel_shape[:3]), CACHED_VALUES)
