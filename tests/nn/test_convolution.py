from contextlib import nullcontext
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies
from jax import export, lax

from jaxdl.nn import convolve, convolve_transposed
from jaxdl.nn.convolution import NHWC
from jaxdl.nn.cpu.convolution import products_pay
from jaxdl.nn.cpu.loops import tracing_loop

by_xla = partial(lax.conv_general_dilated, dimension_numbers=NHWC)
by_backend = partial(convolve, dimension_numbers=NHWC)
PLACES = pytest.mark.parametrize("place", [nullcontext, tracing_loop], ids=["outside", "inside"])


@strategies.composite
def convolutions(draw):
    """Shapes of images and kernel, strides and padding, where the kernel fits at least once."""
    batch, channels, features = (draw(strategies.integers(1, 3)) for _ in range(3))
    sizes, kernel, pairs = [], [], []
    for _ in range(2):
        kernel.append(draw(strategies.integers(1, 4)))
        pairs.append((draw(strategies.integers(0, 2)), draw(strategies.integers(0, 2))))
        sizes.append(draw(strategies.integers(kernel[-1], 7)))
    strides = (draw(strategies.integers(1, 3)), draw(strategies.integers(1, 3)))
    padding = draw(strategies.sampled_from(("SAME", "VALID", tuple(pairs))))
    return (batch, *sizes, channels), (*kernel, channels, features), strides, padding


def small_integers(shape, seed, dtype=jnp.float32):
    """Values whose products and sums are exact even in bfloat16."""
    return jnp.asarray(np.random.default_rng(seed).integers(-1, 2, shape), dtype)


def by_numpy(images, kernel, strides, padding, cotangent):
    """Values and both gradients by the definition.

    The gradient of XLA cannot be the reference: for some shapes with a stride its compiler for CPU
    ends the process ("Window dimensions do not match RHS shape", jaxlib 0.10).
    """
    (row_stride, column_stride), (rows, columns) = strides, kernel.shape[:2]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(images.shape[1:3], (rows, columns), strides, padding)
    padded = np.pad(images, ((0, 0), *padding, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), (1, 2))
    windows = windows[:, ::row_stride, ::column_stride]
    values = np.einsum("bhwcij,ijcf->bhwf", windows, kernel)
    kernel_gradient = np.einsum("bhwcij,bhwf->ijcf", windows, cotangent)
    gradient = np.zeros_like(padded)
    _, height, width, _ = values.shape
    for i, j in np.ndindex(rows, columns):
        reached = np.s_[:, i : i + row_stride * height : row_stride]
        gradient[reached][:, :, j : j + column_stride * width : column_stride] += (
            cotangent @ kernel[i, j].T
        )
    (top, _), (left, _) = padding
    return (
        values,
        gradient[:, top:, left:][:, : images.shape[1], : images.shape[2]],
        kernel_gradient,
    )


@PLACES
@settings(max_examples=8, deadline=None)
@given(convolutions(), strategies.sampled_from((jnp.float32, jnp.bfloat16)))
def test_values_and_both_gradients_are_exactly_those_of_the_definition(place, case, dtype):
    images_shape, kernel_shape, strides, padding = case
    images, kernel = small_integers(images_shape, 0), small_integers(kernel_shape, 1)
    like_xla = jax.eval_shape(lambda i, k: by_xla(i, k, strides, padding), images, kernel)
    cotangent = small_integers(like_xla.shape, 2)
    expected = by_numpy(*map(np.asarray, (images, kernel)), strides, padding, np.asarray(cotangent))

    @jax.jit
    def values_and_gradients(images, kernel, cotangent):
        convolution = lambda i, k: by_backend(i, k, strides, padding)  # noqa: E731
        values, pull_back = jax.vjp(convolution, images, kernel)
        return values, *pull_back(cotangent)

    arguments = (array.astype(dtype) for array in (images, kernel, cotangent))
    with place():
        results = values_and_gradients(*arguments)
    for got, want in zip(results, expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(np.float32), want)


@PLACES
@settings(max_examples=4, deadline=None)
@given(convolutions())
def test_values_are_those_of_xla(place, case):
    images_shape, kernel_shape, *options = case
    images, kernel = small_integers(images_shape, 0), small_integers(kernel_shape, 1)
    with place():
        got = jax.jit(lambda i, k: [f(i, k, *options) for f in (by_backend, by_xla)])(
            images, kernel
        )
    np.testing.assert_array_equal(*got)


@PLACES
def test_random_values_agree_up_to_rounding(place):
    images = jax.random.normal(jax.random.key(0), (4, 9, 8, 5))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 5, 7))
    with place():
        got, expected = (
            jax.jit(lambda *arguments, f=form: f(*arguments, (1, 1), "SAME"))(images, kernel)
            for form in (by_backend, by_xla)
        )
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (3, 3), (1, 4)])
def test_values_and_gradients_are_the_same_inside_and_outside_loops(strides):
    images, kernel = small_integers((2, 7, 6, 3), 0), small_integers((3, 3, 3, 4), 1)

    def results(images, kernel):
        values, pull_back = jax.vjp(lambda i, k: by_backend(i, k, strides, "SAME"), images, kernel)
        return values, *pull_back(jnp.ones_like(values))

    outside = jax.jit(lambda *arguments: results(*arguments))(images, kernel)
    with tracing_loop():
        inside = jax.jit(lambda *arguments: results(*arguments))(images, kernel)
    for one, other in zip(outside, inside, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("image_shape", "kernel_shape", "strides", "padding", "pays"),
    [
        ((4, 16, 16, 32), (3, 3, 32, 32), (1, 1), ((1, 1), (1, 1)), True),  # by minimal filtering
        ((4, 16, 16, 32), (3, 3, 32, 32), (2, 2), ((0, 1), (0, 1)), False),
        ((4, 16, 16, 3), (3, 3, 3, 32), (1, 1), ((1, 1), (1, 1)), False),
        ((4, 7, 7, 256), (5, 5, 256, 128), (1, 1), ((2, 2), (2, 2)), False),
        ((4, 16, 16, 3), (2, 2, 3, 4), (1, 3), ((0, 0), (0, 0)), True),  # skips pixels
        ((4, 16, 16, 3), (1, 1, 3, 4), (2, 2), ((0, 0), (0, 0)), True),
    ],
)
def test_outside_loops_products_pay_where_they_multiply_less_or_pixels_are_skipped(
    image_shape, kernel_shape, strides, padding, pays
):
    images = jax.ShapeDtypeStruct(image_shape, jnp.float32)
    assert products_pay(images, kernel_shape, strides, padding) == pays
    skips = max(strides) > min(kernel_shape[:2])
    assert products_pay(images, kernel_shape, strides, padding, "highest") == skips


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_outside_loops_products_of_bfloat16_pay_without_a_stride(strides):
    images = jax.ShapeDtypeStruct((4, 16, 16, 8), jnp.bfloat16)
    pays = products_pay(images, (3, 3, 8, 32), strides, ((1, 1), (1, 1)))
    assert pays == (strides == (1, 1))


def test_a_batch_of_any_size_is_left_to_xla():
    (batch,) = export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, 9, 8, 32), jnp.float32)
    kernel = jnp.ones((3, 3, 32, 40))
    for place in (nullcontext, tracing_loop):
        with place():
            exported = export.export(jax.jit(lambda i: by_backend(i, kernel, (1, 1), "SAME")))(
                images
            )
            of_transpose = export.export(jax.jit(lambda i: convolve_transposed(i, kernel, (1, 1))))(
                images
            )
        for program in (exported.mlir_module(), of_transpose.mlir_module()):
            assert "stablehlo.convolution" in program
            assert "dot_general" not in program


@pytest.mark.parametrize(
    "options",
    [
        {"rhs_dilation": (2, 1)},
        {"lhs_dilation": (1, 2)},
        {"feature_group_count": 2},
        {"rhs_dilation": (1, 1), "lhs_dilation": (1, 1)},
    ],
)
def test_dilation_and_groups_are_those_of_lax(options):
    groups = options.get("feature_group_count", 1)
    images = small_integers((2, 6, 6, 4), 0)
    kernel = small_integers((3, 2, 4 // groups, 6), 1)
    got = by_backend(images, kernel, (1, 1), [(1, 0), (0, 2)], **options)
    expected = by_xla(images, kernel, (1, 1), [(1, 0), (0, 2)], **options)
    np.testing.assert_array_equal(got, expected)


def test_another_layout_is_left_to_xla():
    layout = lax.conv_dimension_numbers((2, 3, 6, 6), (4, 3, 3, 3), ("NCHW", "OIHW", "NCHW"))
    images, kernel = small_integers((2, 3, 6, 6), 0), small_integers((4, 3, 3, 3), 1)
    got = convolve(images, kernel, (1, 1), "VALID", dimension_numbers=layout)
    expected = lax.conv_general_dilated(images, kernel, (1, 1), "VALID")
    np.testing.assert_array_equal(got, expected)


def test_a_conv_layer_has_the_parameters_and_outputs_of_flax():
    images = jax.random.normal(jax.random.key(0), (2, 7, 7, 3))
    plain = nn.Conv(4, (3, 3), strides=(2, 1))
    ours = nn.Conv(4, (3, 3), strides=(2, 1), conv_general_dilated=convolve)
    expected, variables = jax.jit(plain.init_with_output)(jax.random.key(1), images)
    got, same_variables = jax.jit(ours.init_with_output)(jax.random.key(1), images)
    jax.tree.map(np.testing.assert_array_equal, same_variables, variables)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@PLACES
def test_gradients_inside_a_compiled_loop_are_those_of_xla(place):
    images = jax.random.normal(jax.random.key(0), (2, 6, 6, 2))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 2, 2))

    def descend(convolution, kernel):
        def body(_, kernel):
            loss = lambda kernel: (convolution(images, kernel, (1, 1), "SAME") ** 2).mean()  # noqa: E731
            return kernel - 0.01 * jax.grad(loss)(kernel)

        return lax.fori_loop(0, 3, body, kernel)

    with place():
        got, expected = (jax.jit(partial(descend, form))(kernel) for form in (by_backend, by_xla))
    assert np.abs(expected - kernel).max() > 1e-3
    np.testing.assert_allclose(got, expected, atol=1e-5)


@given(
    kernel_size=strategies.tuples(strategies.integers(1, 5), strategies.integers(1, 5)),
    strides=strategies.tuples(strategies.integers(1, 3), strategies.integers(1, 3)),
    size=strategies.tuples(strategies.integers(1, 4), strategies.integers(1, 4)),
    dtype=strategies.sampled_from((jnp.float32, jnp.bfloat16)),
)
@settings(max_examples=8, deadline=None)
def test_a_transposed_convolution_and_its_gradients_are_those_of_xla(
    kernel_size, strides, size, dtype
):
    images = small_integers((2, *size, 3), seed=0)
    kernel = small_integers((*kernel_size, 3, 2), seed=1)

    @partial(jax.jit, static_argnums=0)
    def results(form, images, kernel):
        values, pull_back = jax.vjp(lambda i, k: form(i, k, strides), images, kernel)
        return values, *pull_back(small_integers(values.shape, 2, values.dtype))

    ours = results(convolve_transposed, images.astype(dtype), kernel.astype(dtype))
    reference = results(partial(lax.conv_transpose, padding="SAME"), images, kernel)
    for got, expected in zip(ours, reference, strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(jnp.float32), expected)
