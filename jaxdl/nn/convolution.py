"""Convolution in the form that is fast on the backend it is compiled for.

XLA has a fast convolution on GPU and TPU. On CPU its convolution falls to a loop
about twenty times slower when it stands inside ``lax.while_loop`` or ``lax.scan``,
where the train steps of this project run. There the convolution is one matrix
product of the patches with the kernel ("im2col": Chellapilla et al. 2006, "High
Performance Convolutional Neural Networks for Document Processing", section 2.1), or, for
wide layers, one of the forms that multiply less: by minimal filtering (`jaxdl.nn.winograd`),
or as a product of spectra (`jaxdl.nn.fourier`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.export import is_symbolic_dim

from jaxdl.nn.fourier import convolve_by_fourier, fourier_pays
from jaxdl.nn.initialisation import default_kernel_init
from jaxdl.nn.winograd import convolve_by_winograd, winograd_pays

NHWC = lax.ConvDimensionNumbers(lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2))


def convolve(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: lax.ConvDimensionNumbers | None = None,
    feature_group_count: int = 1,
    precision: lax.PrecisionLike = None,
) -> jax.Array:
    """Drop-in for ``lax.conv_general_dilated``, to be given to ``nn.Conv``.

    Example: ``nn.Conv(32, (3, 3), conv_general_dilated=convolve)``, as in `Conv`.

    Args:
      images: (batch, height, width, channels), any float dtype.
      kernel: (kernel_height, kernel_width, channels / feature_group_count, features).
      window_strides: two integers.
      padding: "SAME", "VALID" or a (low, high) pair for height and for width.
      lhs_dilation: as in ``lax.conv_general_dilated``.
      rhs_dilation: as in ``lax.conv_general_dilated``.
      dimension_numbers: the layout; the fast form for CPU knows the one above.
      feature_group_count: as in ``lax.conv_general_dilated``.
      precision: of the matrix product; where it is given, the form is that by patches.

    Returns:
      (batch, new_height, new_width, features), of the dtype of ``images``.
    """

    def by_xla(images, kernel):
        return lax.conv_general_dilated(
            images,
            kernel,
            window_strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            precision=precision,
        )

    def on_cpu(images, kernel):
        return convolve_on_cpu(images, kernel, window_strides, padding, precision)

    undilated = all(d == 1 for d in (*(lhs_dilation or ()), *(rhs_dilation or ())))
    if sized(images) and undilated and feature_group_count == 1 and dimension_numbers == NHWC:
        return lax.platform_dependent(images, kernel, cpu=on_cpu, default=by_xla)
    return by_xla(images, kernel)


Conv = partial(nn.Conv, conv_general_dilated=convolve, kernel_init=default_kernel_init)


def convolve_outside_loops(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    **options: Any,
) -> jax.Array:
    """As `convolve`, for programs without a loop: there, on CPU too, XLA's form is mostly faster.

    Not where the stride skips pixels: there XLA for CPU fails to compile the gradient. And the
    images are kept from fusing with what made them: XLA for CPU would make them once more,
    in another order, for the gradient of the kernel.
    """
    if not sized(images):
        return lax.conv_general_dilated(images, kernel, window_strides, padding, **options)
    skips = any(s > size for s, size in zip(window_strides, kernel.shape[:2], strict=True))
    pads = _pads(images, kernel, window_strides, padding)
    multiplies_less = tuple(window_strides) == (1, 1) and winograd_pays(
        images.shape, kernel.shape, pads
    )
    form = convolve if skips or multiplies_less else lax.conv_general_dilated
    images = lax.platform_dependent(images, cpu=lax.optimization_barrier, default=lambda x: x)
    return form(images, kernel, window_strides, padding, **options)


def sized(images: jax.Array) -> bool:
    """Whether the batch has a size: not in a program that is exported for batches of any size."""
    return not is_symbolic_dim(images.shape[0])


def convolve_on_cpu(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    precision: lax.PrecisionLike = None,
) -> jax.Array:
    """The fastest of the forms for CPU inside of loops; shapes as in `convolve`."""
    padding = _pads(images, kernel, window_strides, padding)
    if tuple(window_strides) == (1, 1) and precision is None:
        if winograd_pays(images.shape, kernel.shape, padding):
            return convolve_by_winograd(images, kernel, padding)
        if fourier_pays(images.shape, kernel.shape, padding):
            return convolve_by_fourier(images, kernel, padding)
    return convolve_by_patches(images, kernel, window_strides, padding, precision)


def _pads(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
) -> tuple[tuple[int, int], ...]:
    """The (low, high) pairs for height and for width that ``padding`` means."""
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], window_strides, padding)
    return tuple((low, high) for low, high in padding)


def convolve_by_patches(
    images: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    precision: lax.PrecisionLike = None,
) -> jax.Array:
    """Two-dimensional convolution as one matrix product; shapes as in `convolve`."""
    batch, height, width, channels = images.shape
    kernel_height, kernel_width, _, features = kernel.shape
    (top, bottom), (left, right) = padding
    row_stride, column_stride = window_strides
    new_height = (height + top + bottom - kernel_height) // row_stride + 1
    new_width = (width + left + right - kernel_width) // column_stride + 1

    # Every row_stride-th row and every column_stride-th column of the images form a phase,
    # from which patches are taken without a stride, which would make their gradient slow.
    rows = new_height + (kernel_height - 1) // row_stride
    columns = new_width + (kernel_width - 1) // column_stride
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

    patches = [pixels(*entry) for entry in np.ndindex(kernel_height, kernel_width)]
    patches = jnp.concatenate(patches, axis=-1)
    return jnp.dot(patches, kernel.reshape(-1, features), precision=precision)


def convolve_transposed(images: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
    """Transposed convolution with "SAME" padding, as ``nn.ConvTranspose`` has it.

    It is what its name says, the transpose of a convolution with a stride (Dumoulin and
    Visin 2016, "A guide to convolution arithmetic for deep learning", section 4); on CPU
    that of `convolve_by_patches`, so that its gradient is one matrix product too, where
    XLA's takes ten times as long. With strides of 1 it is a convolution itself.

    Args:
      images: (batch, height, width, channels), any float dtype.
      kernel: (kernel_height, kernel_width, channels, features).
      strides: two integers, the factors by which height and width grow.

    Returns:
      (batch, height * strides[0], width * strides[1], features), of the dtype of ``images``.
    """

    def by_xla(images, kernel):
        return lax.conv_transpose(images, kernel, strides, "SAME")

    def on_cpu(images, kernel):
        excess = [size - stride for size, stride in zip(kernel.shape[:2], strides, strict=True)]
        low = [max(0, e // 2) for e in excess]
        padding = [(before, e - before) for before, e in zip(low, excess, strict=True)]
        if tuple(strides) == (1, 1):
            return convolve_on_cpu(images, kernel, strides, [pads[::-1] for pads in padding])
        batch, height, width, _ = images.shape
        forward_kernel = kernel[::-1, ::-1].swapaxes(2, 3)
        outputs = jax.ShapeDtypeStruct(
            (batch, height * strides[0], width * strides[1], kernel.shape[3]), images.dtype
        )
        transpose = jax.linear_transpose(
            lambda x: convolve_by_patches(x, forward_kernel, strides, padding), outputs
        )
        return transpose(images)[0]

    return lax.platform_dependent(images, kernel, cpu=on_cpu, default=by_xla)
