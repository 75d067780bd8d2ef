"""Convolution with kernels of 3x3 by minimal filtering, for wide layers on CPU.

The transforms are hundreds of sums. Under `jax.jit` they are traced once for each shape, and not in
each layer, which takes seconds for the gradient penalty of a GAN; XLA compiles them as parts of
their callers.
"""

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.cpu.grouping import group_size, into_groups
from jaxdl.nn.cpu.patches import Padding, convolved_size, transposed_kernel

# F(4x4, 3x3): a tile of 4x4 outputs comes from a patch of 6x6 pixels.
TILE, PATCH, KERNEL = 4, 6, 3
FROM_PIXELS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
FROM_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
TO_OUTPUTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
TO_KERNEL, FROM_OUTPUTS = (tuple(zip(*m, strict=True)) for m in (FROM_KERNEL, TO_OUTPUTS))

Matrix = tuple[tuple[float, ...], ...]

CACHED_VALUES = 2**21
"""Number of transformed values that are processed together: 8 MiB, which fit into a cache."""


@partial(jax.custom_vjp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def convolve_by_winograd(images: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """Convolves in two dimensions with stride 1 and a kernel of 3x3.

    A tile takes 36 multiplications for each channel and feature, where the definition takes
    144 (Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks", section
    4.3). Rounding errors are about ten times as large: 1e-5 of the largest output.

    Args:
      images: (batch, height, width, channels), any float dtype; computed in float32.
      kernel: (3, 3, channels, features).
      padding: (low, high) for height and for width, each from 0 to 2.

    Returns:
      (batch, new_height, new_width, features), of the dtype of ``images``.
    """
    features = kernel.shape[-1]
    height, width = convolved_size(images.shape, kernel.shape[:2], padding)
    tile_rows, tile_columns = _number_of_tiles(images.shape, padding)
    weights = _transform(FROM_KERNEL, kernel.astype(jnp.float32), axes=(0, 1))
    weights = weights.reshape(PATCH**2, -1, features)

    def convolve_group(images: jax.Array) -> jax.Array:
        patches = _transform_patches(images, padding)
        products = jnp.matmul(patches.reshape(PATCH**2, -1, patches.shape[-1]), weights)
        products = products.reshape(*patches.shape[:-1], features)
        tiles = _transform(TO_OUTPUTS, products, axes=(0, 1))
        outputs = tiles.transpose(2, 3, 0, 4, 1, 5)
        return outputs.reshape(len(images), TILE * tile_rows, TILE * tile_columns, features)

    group = _group_size(images.shape, kernel.shape, padding)
    outputs = lax.map(convolve_group, into_groups(images, group))
    outputs = outputs.reshape(-1, *outputs.shape[2:])
    return outputs[:, :height, :width].astype(images.dtype)


def _forward(images: jax.Array, kernel: jax.Array, padding: Padding):
    return convolve_by_winograd(images, kernel, padding), (images, kernel)


def _backward(padding: Padding, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    images, kernel = residuals
    images_gradient = convolve_by_winograd(cotangent, *transposed_kernel(kernel, padding))
    return images_gradient, _kernel_gradient(images, cotangent, kernel, padding)


convolve_by_winograd.defvjp(_forward, _backward)


def winograd_pays(
    image_shape: Sequence[int], kernel_shape: Sequence[int], padding: Sequence[tuple[int, int]]
) -> bool:
    """Whether this form of a convolution with stride 1 is the fastest, as measured on two cores.

    Args:
      image_shape: (batch, height, width, channels).
      kernel_shape: (kernel_height, kernel_width, channels, features).
      padding: (low, high) for height and for width.
    """
    pads = [pad for pair in padding for pad in pair]
    fits = tuple(kernel_shape[:2]) == (KERNEL, KERNEL) and 0 <= min(pads) <= max(pads) < KERNEL
    return fits and min(kernel_shape[2:]) >= 32 and min(image_shape[1:3]) >= TILE


@partial(jax.jit, static_argnums=3)
def _kernel_gradient(
    images: jax.Array, cotangent: jax.Array, kernel: jax.Array, padding: Padding
) -> jax.Array:
    """Computes the gradient of the kernel by the transposed transforms, summed over all tiles."""
    channels, features = kernel.shape[2:]
    rows, columns = _number_of_tiles(images.shape, padding)
    height, width = cotangent.shape[1:3]
    cotangent = jnp.pad(
        cotangent, ((0, 0), (0, TILE * rows - height), (0, TILE * columns - width), (0, 0))
    )

    def add_group(total: jax.Array, group: tuple[jax.Array, jax.Array]):
        images, cotangent = group
        tiles = cotangent.astype(jnp.float32).reshape(-1, rows, TILE, columns, TILE, features)
        tiles = _transform(FROM_OUTPUTS, tiles, axes=(2, 4)).reshape(PATCH**2, -1, features)
        patches = _transform_patches(images, padding).reshape(PATCH**2, -1, channels)
        return total + jnp.matmul(patches.swapaxes(1, 2), tiles), None

    group = _group_size(images.shape, kernel.shape, padding)
    groups = (into_groups(images, group), into_groups(cotangent, group))
    zeros = jnp.zeros((PATCH**2, channels, features), jnp.float32)
    total, _ = lax.scan(add_group, zeros, groups)
    total = total.reshape(PATCH, PATCH, channels, features)
    return _transform(TO_KERNEL, total, axes=(0, 1)).astype(kernel.dtype)


def _transform_patches(images: jax.Array, padding: Padding) -> jax.Array:
    """Transforms overlapping patches to (6, 6, batch, tile_rows, tile_columns, channels)."""
    rows, columns = _number_of_tiles(images.shape, padding)
    height, width = images.shape[1:3]
    (top, _), (left, _) = padding
    bottom = TILE * rows + KERNEL - 1 - top - height
    right = TILE * columns + KERNEL - 1 - left - width
    pads = ((0, 0), (top, bottom), (left, right), (0, 0))
    images = jnp.pad(images.astype(jnp.float32), pads)
    starts = range(PATCH)
    images = _combine(FROM_PIXELS, [images[:, i : i + TILE * rows : TILE] for i in starts])
    return _combine(FROM_PIXELS, [images[:, :, :, i : i + TILE * columns : TILE] for i in starts])


def _transform(matrix: Matrix, array: jax.Array, axes: tuple[int, int]) -> jax.Array:
    """Applies ``matrix`` to both axes, which come out in front, the second before the first."""
    for axis in axes:
        array = _combine(matrix, jnp.unstack(array, axis=axis))
    return array


@partial(jax.jit, static_argnums=0)
def _combine(matrix: Matrix, terms: Sequence[jax.Array]) -> jax.Array:
    """Sums the terms weighted by each row of ``matrix``, in a new first axis."""
    return jnp.stack(
        [
            sum(float(weight) * term for weight, term in zip(row, terms, strict=True) if weight)
            for row in matrix
        ]
    )


def _number_of_tiles(image_shape: Sequence[int], padding: Padding) -> tuple[int, int]:
    """Returns the number of rows and columns of tiles that cover the outputs."""
    height, width = convolved_size(image_shape, (KERNEL, KERNEL), padding)
    return math.ceil(height / TILE), math.ceil(width / TILE)


def _group_size(image_shape: Sequence[int], kernel_shape: Sequence[int], padding: Padding) -> int:
    """Returns the number of examples that are processed together."""
    tiles = math.prod(_number_of_tiles(image_shape, padding))
    return group_size(image_shape[0], PATCH**2 * tiles * max(kernel_shape[2:]), CACHED_VALUES)
