"""Convolution as a product of spectra, for wide layers over small images on CPU."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Axis(NamedTuple):
    """Height or width of a convolution with stride 1.

    Attributes:
      size: size of the images in pixels.
      kernel_size: size of the kernel in pixels.
      padding: (low, high).
    """

    size: int
    kernel_size: int
    padding: tuple[int, int]

    @property
    def new_size(self) -> int:
        """Size of the outputs."""
        return self.size + sum(self.padding) - self.kernel_size + 1

    @property
    def period(self) -> int:
        """Smallest period of a circular convolution in which no image overlaps itself."""
        return max(self.size + max(self.padding), self.kernel_size)


def convolve_by_fourier(
    images: jax.Array, kernel: jax.Array, padding: Sequence[tuple[int, int]]
) -> jax.Array:
    """Convolves in two dimensions with stride 1, by the convolution theorem.

    A frequency takes one product of (batch, channels) with (channels, features) where the
    definition takes one for each pixel and each entry of the kernel (Mathieu, Henaff and
    LeCun 2013, "Fast Training of Convolutional Networks through FFTs"). The images are so
    small that the fastest Fourier transform is a product with its matrix.

    Args:
      images: (batch, height, width, channels), any float dtype; computed in float32.
      kernel: (kernel_height, kernel_width, channels, features).
      padding: (low, high) for height and for width; negative padding crops.

    Returns:
      (batch, new_height, new_width, features), of the dtype of ``images``.
    """
    batch, *size, channels = images.shape
    *kernel_size, _, features = kernel.shape
    rows, columns = map(Axis, size, kernel_size, padding)
    periods = (rows.period, columns.period)

    pixels = images.astype(jnp.float32).reshape(batch, -1, channels)
    spectra = [jnp.einsum("pf,bpc->fbc", part, pixels) for part in _transform(size, periods)]
    spectra = jnp.concatenate(spectra, axis=1)
    entries = kernel.astype(jnp.float32).reshape(-1, channels * features)
    by_real, by_imaginary = (
        spectra @ jnp.dot(part.T, entries).reshape(-1, channels, features)
        for part in _transform(kernel_size, periods)
    )
    # The spectra of the images times the conjugates of those of the kernel.
    real = by_real[:, :batch] + by_imaginary[:, batch:]
    imaginary = by_real[:, batch:] - by_imaginary[:, :batch]
    outputs = sum(
        jnp.einsum("fp,fbd->bpd", part, products)
        for part, products in zip(_inverse_transform(rows, columns), (real, imaginary), strict=True)
    )
    return outputs.reshape(batch, rows.new_size, columns.new_size, features).astype(images.dtype)


def fourier_pays(
    image_shape: Sequence[int], kernel_shape: Sequence[int], padding: Sequence[tuple[int, int]]
) -> bool:
    """Whether this form is faster than the one by patches, judged by its multiplications.

    As measured on two cores, a multiplication takes about one and a half times as long in this
    form as in the one product of the convolution by patches.

    Args:
      image_shape: (batch, height, width, channels).
      kernel_shape: (kernel_height, kernel_width, channels, features).
      padding: (low, high) for height and for width.
    """
    batch, *size, channels = image_shape
    *kernel_size, _, features = kernel_shape
    rows, columns = map(Axis, size, kernel_size, padding)
    frequencies = rows.period * (columns.period // 2 + 1)
    entries, weights = math.prod(kernel_size), math.prod(kernel_shape)
    pixels, new_pixels = math.prod(size), rows.new_size * columns.new_size
    transforms = batch * (pixels * channels + new_pixels * features) + weights
    by_fourier = frequencies * (2 * transforms + 4 * batch * channels * features)
    by_patches = batch * new_pixels * entries * channels * features
    return 1.5 * by_fourier < by_patches


def _transform(size: Sequence[int], periods: tuple[int, int]) -> np.ndarray:
    """Returns the Fourier matrix, real and imaginary part, float32 (2, pixels, frequencies)."""
    basis = np.eye(math.prod(size)).reshape(-1, *size)
    waves = np.fft.rfft2(basis, periods).reshape(len(basis), -1)
    return np.stack([waves.real, waves.imag]).astype(np.float32)


def _inverse_transform(rows: Axis, columns: Axis) -> np.ndarray:
    """Returns the map from a spectrum to the outputs, float32 (2, frequencies, pixels)."""
    spectrum = (rows.period, columns.period // 2 + 1)
    basis = np.eye(math.prod(spectrum)).reshape(-1, *spectrum)
    waves = np.fft.irfft2(np.stack([basis, 1j * basis]), (rows.period, columns.period))
    for dimension, axis in ((2, rows), (3, columns)):
        first = -axis.padding[0]
        waves = waves.take(range(first, first + axis.new_size), dimension, mode="wrap")
    return waves.reshape(2, len(basis), -1).astype(np.float32)
