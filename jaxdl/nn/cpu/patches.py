"""The patches of images that a convolution multiplies by its kernel."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Padding = tuple[tuple[int, int], tuple[int, int]]


def convolved_size(
    image_shape: Sequence[int],
    window: Sequence[int],
    padding: Sequence[tuple[int, int]],
    strides: Sequence[int] = (1, 1),
) -> tuple[int, int]:
    """Returns height and width of a convolution's outputs; arguments as in `extract_patches`."""
    axes = zip(image_shape[1:3], window, padding, strides, strict=True)
    height, width = ((size + sum(pads) - side) // stride + 1 for size, side, pads, stride in axes)
    return height, width


def extract_patches(
    images: jax.Array,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> jax.Array:
    """Extracts the patches of a convolution ("im2col").

    Args:
      images: (batch, height, width, channels).
      window: height and width of the kernel.
      strides: two integers.
      padding: (low, high) for height and for width.

    Returns:
      (batch, new_height, new_width, window[0] * window[1] * channels), of the same dtype.
    """
    batch, height, width, channels = images.shape
    (top, _), (left, _) = padding
    row_stride, column_stride = strides
    new_height, new_width = convolved_size(images.shape, window, padding, strides)

    # Every row_stride-th row and every column_stride-th column of the images form a phase,
    # from which patches are taken without a stride: a stride would make their gradient slow.
    rows = new_height + (window[0] - 1) // row_stride
    columns = new_width + (window[1] - 1) // column_stride
    bottom = rows * row_stride - height - top
    right = columns * column_stride - width - left
    pads = ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0))
    images = lax.pad(images, jnp.zeros((), images.dtype), pads)
    images = images.reshape(batch, rows, row_stride, columns, column_stride, channels)
    phases = {
        (row, column): images[:, :, row, :, column]
        for row, column in np.ndindex(row_stride, column_stride)
    }

    def pixels(row: int, column: int) -> jax.Array:
        phase = phases[row % row_stride, column % column_stride]
        phase = phase[:, row // row_stride :, column // column_stride :]
        return phase[:, :new_height, :new_width]

    return jnp.concatenate([pixels(*entry) for entry in np.ndindex(*window)], axis=-1)


def transposed_kernel(kernel: jax.Array, padding: Padding) -> tuple[jax.Array, Padding]:
    """Returns kernel and padding of the transposed convolution, for a stride of 1.

    Convolved with them, the cotangent of the outputs gives the gradient of the images.
    """
    opposite = tuple(
        (size - 1 - low, size - 1 - high)
        for size, (low, high) in zip(kernel.shape[:2], padding, strict=True)
    )
    return kernel[::-1, ::-1].swapaxes(2, 3), opposite
