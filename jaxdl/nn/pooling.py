"""Pooling whose gradient is fast on every backend."""

from functools import partial, reduce
from itertools import chain

import jax
import jax.numpy as jnp


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool(images: jax.Array, window: int) -> jax.Array:
    """Takes the maximum over square windows that do not overlap.

    The values are those of ``nn.max_pool`` with equal window and stride and padding "VALID", but
    computed by elementwise maxima of the entries of all windows: on CPU the gradients of XLA's
    windowed reduction, a scatter, and of a reduction over reshaped windows are slow. Where several
    entries of a window are the largest, they share the gradient. Forward mode is not supported.

    Args:
      images: (batch, height, width, channels).
      window: side of the window in pixels; rows and columns left over are cut.

    Returns:
      (batch, height // window, width // window, channels), of the same dtype.
    """
    return reduce(jnp.maximum, chain.from_iterable(_entries(images, window)))


def _forward(images: jax.Array, window: int):
    maxima = max_pool(images, window)
    return maxima, (images, maxima)


def _backward(window: int, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array):
    images, maxima = residuals
    largest = [[entry == maxima for entry in row] for row in _entries(images, window)]
    share = cotangent / sum(flag.astype(cotangent.dtype) for row in largest for flag in row)
    zero = jnp.zeros((), cotangent.dtype)
    rows = [jnp.stack([jnp.where(flag, share, zero) for flag in row], axis=3) for row in largest]
    batch, height, width, channels = images.shape
    used_height, used_width = (size // window * window for size in (height, width))
    gradient = jnp.stack(rows, axis=2).reshape(batch, used_height, used_width, channels)
    cut = ((0, 0), (0, height - used_height), (0, width - used_width), (0, 0))
    return (jnp.pad(gradient, cut),)


max_pool.defvjp(_forward, _backward)


def _entries(images: jax.Array, window: int) -> list[list[jax.Array]]:
    """Returns entry [row][column] of all windows, each an array of the shape of the maxima."""
    batch, height, width, channels = images.shape
    rows, columns = height // window, width // window
    images = images[:, : rows * window, : columns * window]
    images = images.reshape(batch, rows, window, columns, window, channels)
    return [[images[:, :, i, :, j] for j in range(window)] for i in range(window)]
