"""Mixup and CutMix: pairs of images are mixed, and their labels in the same proportions.

Everything here is compiled into the train step. `mixup` and `cutmix` mix each image with a
partner from the same batch, drawn without replacement. The share of itself that an image keeps
follows Beta(alpha, alpha), with alpha above 0: 1 makes all shares equally likely, smaller values
favour shares near 0 and 1.

Both take images (batch, height, width, channels) of a float dtype, a key, and alpha, and return

- the mixed images, of the same shape and dtype,
- a function ``mix_labels(labels)`` from the label distributions of the images, float (batch,
  classes), to those of the mixed images. It is a `jax.tree_util.Partial` of the partners, int32
  (batch,), and the shares, float32 (batch,): a pytree, which `jax.jit` and `jax.lax.cond` can
  return, unlike other functions.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.tree_util import Partial

Mixture = tuple[jax.Array, Partial]
Mix = Callable[[jax.Array, jax.Array], Mixture]


def mixup(images: jax.Array, key: jax.Array, alpha: float) -> Mixture:
    """Averages pairs of images, weighted by shares (Zhang et al. 2017, "mixup", section 2)."""
    partner_key, share_key = jax.random.split(key)
    partners = jax.random.permutation(partner_key, len(images))
    shares = jax.random.beta(share_key, alpha, alpha, (len(images),))
    weights = shares[:, None, None, None].astype(images.dtype)
    mixed = weights * images + (1 - weights) * images[partners]
    return mixed, Partial(_mix_labels, partners, shares)


def cutmix(images: jax.Array, key: jax.Array, alpha: float) -> Mixture:
    """Pastes a rectangle of one image into another (Yun et al. 2019, "CutMix", section 3.1).

    The rectangle has the proportions of the image, is centred anywhere in it and is cut off at its
    edges. The share that an image keeps is that of its pixels outside the rectangle: more than was
    drawn where the rectangle is cut off.
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
    mixed = jnp.where(inside[..., None], images[partners], images)
    return mixed, Partial(_mix_labels, partners, (~inside).mean((1, 2)))


def either(first: Mix, second: Mix) -> Mix:
    """Returns ``mix(images, key)``, which mixes a batch by one of two functions at random.

    Args:
      first: ``first(images, key)``, such as `mixup` with a fixed alpha; it mixes half of the
        batches.
      second: the same for the other half of the batches.
    """

    def mix(images: jax.Array, key: jax.Array) -> Mixture:
        choice_key, mix_key = jax.random.split(key)
        return jax.lax.cond(jax.random.bernoulli(choice_key), first, second, images, mix_key)

    return mix


def _mix_labels(partners: jax.Array, shares: jax.Array, labels: jax.Array) -> jax.Array:
    return shares[:, None] * labels + (1 - shares[:, None]) * labels[partners]
