"""Compares a form of convolution with stride 1 with that by patches: values and gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.nn.cpu.convolution import convolve_by_patches


@partial(jax.jit, static_argnums=0)
def values_and_gradients(form, images, kernel):
    values, pull_back = jax.vjp(form, images, kernel)
    cotangent = jax.random.normal(jax.random.key(2), values.shape).astype(values.dtype)
    return values, *pull_back(cotangent)


def assert_the_same(form, image_shape, kernel_shape, padding, dtype, tolerance):
    """Asserts that ``form(images, kernel, padding)`` gives what patches give in float32."""
    images = jax.random.normal(jax.random.key(0), image_shape).astype(dtype)
    kernel = jax.random.normal(jax.random.key(1), kernel_shape).astype(dtype)

    def reference(images, kernel):
        return convolve_by_patches(images, kernel, (1, 1), padding)

    @jax.jit
    def compare(images, kernel):
        ours = values_and_gradients(lambda i, k: form(i, k, padding), images, kernel)
        arrays = (images.astype(jnp.float32), kernel.astype(jnp.float32))
        return ours, values_and_gradients(reference, *arrays)

    ours, expected = compare(images, kernel)
    for got, wanted in zip(ours, expected, strict=True):
        assert got.dtype == dtype
        scale = max(1.0, float(jnp.abs(wanted).max()))
        np.testing.assert_allclose(got.astype(jnp.float32), wanted, atol=tolerance * scale)
