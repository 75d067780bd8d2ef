"""Convolution in the form that is fast on its backend, inside or outside a loop."""

import math
from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
from jax import lax
from jax.export import is_symbolic_dim

from jaxdl.nn.backend import by_backend
from jaxdl.nn.cpu.convolution import convolve_by_patches, convolve_by_products, products_pay
from jaxdl.nn.cpu.loops import inside_loop, note_convolution
from jaxdl.nn.initialisation import default_kernel_init

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
    """Drop-in replacement for ``lax.conv_general_dilated``, to be given to ``nn.Conv``.

    Example: ``nn.Conv(32, (3, 3), conv_general_dilated=convolve)``, as in `Conv`.

    XLA has a fast convolution for GPU and TPU. On CPU the convolution is computed by matrix
    products inside a loop (see `jaxdl.nn.cpu.loops`), and outside one where they are faster.

    Args:
      images: (batch, height, width, channels), any float dtype.
      kernel: (kernel_height, kernel_width, channels / feature_group_count, features).
      window_strides: two integers.
      padding: "SAME", "VALID" or a (low, high) pair for height and for width.
      lhs_dilation: as in ``lax.conv_general_dilated``.
      rhs_dilation: as in ``lax.conv_general_dilated``.
      dimension_numbers: the layout. XLA's own convolution is used with any other than `NHWC`, with
        dilation, with several groups of features, and if the batch size is symbolic.
      feature_group_count: as in ``lax.conv_general_dilated``.
      precision: as in ``lax.conv_general_dilated``.

    Returns:
      (batch, new_height, new_width, features), of the dtype of ``images``.
    """
    by_xla = partial(
        lax.conv_general_dilated,
        window_strides=window_strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        precision=precision,
    )
    undilated = all(d == 1 for d in (*(lhs_dilation or ()), *(rhs_dilation or ())))
    any_size = is_symbolic_dim(images.shape[0])  # exported for batches of any size
    if any_size or not undilated or feature_group_count > 1 or dimension_numbers != NHWC:
        return by_xla(images, kernel)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], kernel.shape[:2], window_strides, padding)
    pads = tuple((low, high) for low, high in padding)
    outputs = jax.eval_shape(by_xla, images, kernel)
    note_convolution(kernel.shape, window_strides, math.prod(outputs.shape[1:3]))
    on_cpu = partial(
        convolve_by_products, window_strides=window_strides, padding=pads, precision=precision
    )
    if inside_loop():
        return by_backend(images, kernel, cpu=on_cpu, elsewhere=by_xla)
    # Without the barrier, XLA for CPU would fuse the images with the operations that produce them,
    # and compute them again, in another order, for the gradient of the kernel.
    images = by_backend(images, cpu=lax.optimization_barrier, elsewhere=lambda x: x)
    if products_pay(images, kernel.shape, window_strides, pads, precision):
        return by_backend(images, kernel, cpu=on_cpu, elsewhere=by_xla)
    return by_xla(images, kernel)


Conv = partial(nn.Conv, conv_general_dilated=convolve, kernel_init=default_kernel_init)


def convolve_transposed(images: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
    """Computes a transposed convolution with "SAME" padding, as ``nn.ConvTranspose`` does.

    It is the transpose of a convolution with a stride (Dumoulin and Visin 2016, "A guide to
    convolution arithmetic for deep learning", section 4). On CPU it is the transpose of
    `convolve_by_patches`, so that its gradient is one matrix product too, where XLA's takes ten
    times as long. With strides of 1 it is an ordinary convolution.

    Args:
      images: (batch, height, width, channels), any float dtype.
      kernel: (kernel_height, kernel_width, channels, features).
      strides: two integers, the factors by which height and width grow.

    Returns:
      (batch, height * strides[0], width * strides[1], features), of the dtype of ``images``.
    """

    def by_xla(images, kernel):
        return lax.conv_transpose(images, kernel, strides, "SAME")

    if is_symbolic_dim(images.shape[0]):  # exported for batches of any size
        return by_xla(images, kernel)

    def on_cpu(images, kernel):
        sizes = [size * stride for size, stride in zip(images.shape[1:3], strides, strict=True)]
        padding = lax.padtype_to_pads(sizes, kernel.shape[:2], strides, "SAME")
        if tuple(strides) == (1, 1):
            mirrored = tuple(pads[::-1] for pads in padding)
            return convolve_by_products(images, kernel, strides, mirrored)
        forward_kernel = kernel[::-1, ::-1].swapaxes(2, 3)
        outputs = jax.ShapeDtypeStruct((images.shape[0], *sizes, kernel.shape[3]), images.dtype)
        transpose = jax.linear_transpose(
            lambda x: convolve_by_patches(x, forward_kernel, strides, padding), outputs
        )
        return transpose(images)[0]

    return by_backend(images, kernel, cpu=on_cpu, elsewhere=by_xla)
