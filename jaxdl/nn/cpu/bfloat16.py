"""Convolution of bfloat16 on CPU: products of patches, summed in float32.

XLA for CPU convolves bfloat16 by converting it to float32. Its products of bfloat16 matrices use
the processor's own instructions (AVX512-BF16), where their result is float32.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.typing import DTypeLike

from jaxdl.nn.cpu.grouping import group_size, into_groups

CACHED_VALUES = 2**21
"""Number of values of the patches that are processed together: 4 MiB, which fit into a cache."""

Padding = tuple[tuple[int, int], tuple[int, int]]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_in_bfloat16(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """Convolves in two dimensions with stride 1.

    Args:
      images: bfloat16 (batch, height, width, channels).
      kernel: (kernel_height, kernel_width, channels, features).
      padding: (low, high) for height and for width, each below the size of the kernel.

    Returns:
      bfloat16 (batch, new_height, new_width, features).
    """
    *window, _, features = kernel.shape
    weights = kernel.reshape(-1, features)

    def convolve_group(images: jax.Array) -> jax.Array:
        patches = _patches(images, window, padding)
        return _product(patches, weights).astype(images.dtype)

    group = _group_size(images.shape, kernel.shape, padding)
    outputs = lax.map(convolve_group, into_groups(images, group))
    return outputs.reshape(-1, *outputs.shape[2:])


def bfloat16_pays(
    dtype: DTypeLike, kernel_shape: Sequence[int], padding: Sequence[tuple[int, int]]
) -> bool:
    """Whether a convolution with stride 1 can have this form, which then is the fastest."""
    sizes = zip(kernel_shape[:2], padding, strict=True)
    return dtype == jnp.bfloat16 and all(0 <= pad < size for size, pads in sizes for pad in pads)


def _forward(images: jax.Array, kernel: jax.Array, padding: Padding):
    return convolve_in_bfloat16(images, kernel, padding), (images, kernel)


def _backward(padding: Padding, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    images, kernel = residuals
    *window, channels, features = kernel.shape
    mirrored = kernel[::-1, ::-1].swapaxes(2, 3)
    opposite = tuple(
        tuple(size - 1 - pad for pad in pads) for size, pads in zip(window, padding, strict=True)
    )
    images_gradient = convolve_in_bfloat16(cotangent, mirrored, opposite)

    def add_group(total: jax.Array, group: tuple[jax.Array, jax.Array]):
        images, cotangent = group
        patches = _patches(images, window, padding)
        patches = patches.reshape(-1, patches.shape[-1])
        transposed = _row_major(cotangent.reshape(-1, features).T)
        return total + _product(transposed, patches), None

    group = _group_size(images.shape, kernel.shape, padding)
    groups = (into_groups(images, group), into_groups(cotangent, group))
    zeros = jnp.zeros((features, window[0] * window[1] * channels), jnp.float32)
    total, _ = lax.scan(add_group, zeros, groups)
    return images_gradient, total.T.reshape(kernel.shape).astype(kernel.dtype)


convolve_in_bfloat16.defvjp(_forward, _backward)


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiplies matrices of bfloat16, with a result in float32.

    XLA may not transpose the result: it has no such product for all transposed matrices.
    """
    return _row_major(jnp.matmul(left, right, preferred_element_type=jnp.float32))


def _row_major(array: jax.Array) -> jax.Array:
    """Has XLA lay an array out in memory as it is written here."""
    return with_layout_constraint(array, Layout(major_to_minor=tuple(range(array.ndim))))


def _patches(images: jax.Array, window: Sequence[int], padding: Padding) -> jax.Array:
    """Returns (batch, new_height, new_width, window entries * channels)."""
    images = jnp.pad(images, ((0, 0), *padding, (0, 0)))
    rows, columns = (n - k + 1 for n, k in zip(images.shape[1:3], window, strict=True))
    return jnp.concatenate(
        [
            images[:, row : row + rows, column : column + columns]
            for row in range(window[0])
            for column in range(window[1])
        ],
        axis=-1,
    )


def _group_size(image_shape: Sequence[int], kernel_shape: Sequence[int], padding: Padding) -> int:
    rows, columns = (
        n + sum(p) - k + 1
        for n, k, p in zip(image_shape[1:3], kernel_shape[:2], padding, strict=True)
    )
    values = rows * columns * kernel_shape[0] * kernel_shape[1] * kernel_shape[2]
    return group_size(image_shape[0], values, CACHED_VALUES)
