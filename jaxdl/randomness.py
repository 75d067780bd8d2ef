"""Random keys: each purpose has its own, so that no draw of a seed repeats another."""

import enum

import jax
from jax.typing import ArrayLike


class Purpose(enum.IntEnum):
    """What a key is for.

    The values are four letters each, and so unlike the numbers of steps, epochs and examples and
    those by which ``jax.random.split`` derives keys.
    """

    INIT = int.from_bytes(b"init")
    """Initial parameters; of a GAN, those of the generator."""
    DISCRIMINATOR_INIT = int.from_bytes(b"disc")
    """Initial parameters of a discriminator."""
    ORDER = int.from_bytes(b"ordr")
    """Order of the examples; the number of the epoch is folded in."""
    STEP = int.from_bytes(b"step")
    """Dropout, augmentation, mixing, noise of a GAN: the number of the step is folded in, and the
    step splits the key among them."""
    FLIP = int.from_bytes(b"flip")
    """Which images are mirrored first; the number of the example is folded in."""
    CROP = int.from_bytes(b"crop")
    """Random crops that NumPy draws: the seed, this, the epoch and the number of the example."""
    SAMPLES = int.from_bytes(b"smpl")
    """Noise of the samples of a generator that are shown or measured."""
    GRADIENT_NORMS = int.from_bytes(b"norm")
    """Inputs by which the vanishing gradient is measured."""


def key_for(purpose: Purpose, seed: ArrayLike) -> jax.Array:
    """Derives the key of a purpose from a seed, an integer from 0 to 2**32 - 1."""
    return jax.random.fold_in(jax.random.key(seed), purpose)
