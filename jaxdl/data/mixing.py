"""Mixtures of the images of a batch, compiled into the train step.

Both functions take images (batch, height, width, channels), of a float dtype, a key, and
``alpha``, above 0: shares are drawn from Beta(alpha, alpha), so that 1 gives any share alike.
They return the mixed images, of the same shape and dtype; int32 (batch,), the place of the
image that each was mixed with; and float32 (batch,), the share that each kept of itself. The
loss is to be shared likewise.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Mixture = tuple[jax.Array, jax.Array, jax.Array]
Mix = Callable[[jax.Array, jax.Array], Mixture]


def mixup(images: jax.Array, key: jax.Array, alpha: float) -> Mixture:
    """Weighted means of two images (Zhang et al. 2017, "mixup", section 2)."""
    partner_key, share_key = jax.random.split(key)
    partners = jax.random.permutation(partner_key, len(images))
    shares = jax.random.beta(share_key, alpha, alpha, (len(images),))
    weights = shares[:, None, None, None].astype(images.dtype)
    return weights * images + (1 - weights) * images[partners], partners, shares


def cutmix(images: jax.Array, key: jax.Array, alpha: float) -> Mixture:
    """Images with a rectangle of another one (Yun et al. 2019, "CutMix", section 3.1).

    The rectangle has the proportions of the image and its centre anywhere in it; what of
    it lies outside counts for nothing.
    """
    batch, height, width, _ = images.shape
    partner_key, share_key, row_key, column_key = jax.random.split(key, 4)
    partners = jax.random.permutation(partner_key, batch)
    relative_side = jnp.sqrt(1 - jax.random.beta(share_key, alpha, alpha, (batch, 1)))

    def is_inside(key: jax.Array, length: int) -> jax.Array:
        centre = jax.random.uniform(key, (batch, 1), maxval=length)
        distance = jnp.abs(jnp.arange(length) + 0.5 - centre)
        return distance < relative_side * length / 2

    inside = is_inside(row_key, height)[:, :, None] & is_inside(column_key, width)[:, None, :]
    shares = (~inside).mean((1, 2))
    return jnp.where(inside[..., None], images[partners], images), partners, shares


def either(first: Mix, second: Mix) -> Mix:
    """Half of the batches by one way of mixing, half by the other."""

    def mix(images: jax.Array, key: jax.Array) -> Mixture:
        choice_key, mix_key = jax.random.split(key)
        return jax.lax.cond(jax.random.bernoulli(choice_key), first, second, images, mix_key)

    return mix
