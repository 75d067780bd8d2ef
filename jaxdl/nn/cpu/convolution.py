"""Convolution on CPU as matrix products, which are fast inside loops too.

In general this is one product of the patches with the kernel ("im2col": Chellapilla et al. 2006,
"High Performance Convolutional Neural Networks for Document Processing", section 2.1). For wide
layers it is one of the forms that multiply less: minimal filtering (`jaxdl.nn.cpu.winograd`), or a
product of spectra (`jaxdl.nn.cpu.fourier`).
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.cpu.bfloat16 import convolve_in_bfloat16, patches_pay
from jaxdl.nn.cpu.fourier import convolve_by_fourier, fourier_pays
from jaxdl.nn.cpu.patches import Padding, extract_patches
from jaxdl.nn.cpu.products import bfloat16_pays
from jaxdl.nn.cpu.winograd import convolve_by_winograd, winograd_pays


def convolve_by_products(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Padding,
    precision: lax.PrecisionLike = None,
) -> jax.Array:
    """Convolves in the fastest of these forms; shapes as in `jaxdl.nn.convolve`.

    If a precision is given, it convolves by patches.
    """
    if tuple(window_strides) == (1, 1) and precision is None:
        if bfloat16_pays(images) and patches_pay(kernel.shape, padding):
            return convolve_in_bfloat16(images, kernel, padding)
        if winograd_pays(images.shape, kernel.shape, padding):
            return convolve_by_winograd(images, kernel, padding)
        if fourier_pays(images.shape, kernel.shape, padding):
            return convolve_by_fourier(images, kernel, padding)
    return convolve_by_patches(images, kernel, window_strides, padding, precision)


def products_pay(
    images: jax.ShapeDtypeStruct,
    kernel_shape: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    precision: lax.PrecisionLike = None,
) -> bool:
    """Whether matrix products are faster than XLA's own convolution outside loops, too.

    With stride 1 they are faster in bfloat16, and where minimal filtering pays, but not if a
    precision is given. They also serve where the stride skips pixels, since XLA for CPU fails to
    compile the gradient there.

    Args:
      images: shape and dtype of the images.
      kernel_shape: (kernel_height, kernel_width, channels, features).
      strides: two integers.
      padding: (low, high) for height and for width.
      precision: as in ``lax.conv_general_dilated``.
    """
    if any(s > size for s, size in zip(strides, kernel_shape[:2], strict=True)):
        return True
    if tuple(strides) != (1, 1) or precision is not None:
        return False
    in_bfloat16 = bfloat16_pays(images) and patches_pay(kernel_shape, padding)
    return in_bfloat16 or winograd_pays(images.shape, kernel_shape, padding)


def convolve_by_patches(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    precision: lax.PrecisionLike = None,
) -> jax.Array:
    """Convolves by one matrix product of patches; shapes as in `jaxdl.nn.convolve`."""
    patches = extract_patches(images, kernel.shape[:2], window_strides, padding)
    return jnp.dot(patches, kernel.reshape(-1, kernel.shape[-1]), precision=precision)
