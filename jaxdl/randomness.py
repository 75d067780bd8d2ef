"""Random keys: each purpose has its own, so that its draws are independent of all others."""

import enum

import jax
import numpy as np
from jax.typing import ArrayLike

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIERS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Purpose(enum.IntEnum):
    """What a key is for.

    The values are the bytes of four letters, and so too large to equal the number of a step, an
    epoch or an example, or a number from which ``jax.random.split`` derives a key.
    """

    INIT = int.from_bytes(b"init")
    """Initial parameters; in a GAN, those of the generator."""
    DISCRIMINATOR_INIT = int.from_bytes(b"disc")
    """Initial parameters of a discriminator."""
    ORDER = int.from_bytes(b"ordr")
    """Order of the examples; the number of the epoch is folded in."""
    STEP = int.from_bytes(b"step")
    """Dropout, augmentation, mixing, masks, noise of a GAN: the number of the step is folded in,
    and the step splits the key among them."""
    FLIP = int.from_bytes(b"flip")
    """Which images are mirrored in the first epoch; the number of the example is folded in."""
    CROP = int.from_bytes(b"crop")
    """Random crops, drawn on the host by `draw_for_rows`."""
    SAMPLES = int.from_bytes(b"smpl")
    """Noise for a generator's samples outside the train step, or words of a language model."""
    MASKS = int.from_bytes(b"mask")
    """Masks of a text that a language model is scored on; the number of the text is folded in."""
    GRADIENT_NORMS = int.from_bytes(b"norm")
    """Inputs, direction and initial parameters for the measurement of vanishing gradients."""


def key_for(purpose: Purpose, seed: ArrayLike) -> jax.Array:
    """Derives the key of a purpose from a seed, an integer from 0 to 2**32 - 1."""
    return jax.random.fold_in(jax.random.key(seed), purpose)


def draw_for_rows(
    purpose: Purpose, seed: int, epoch: int, rows: np.ndarray, count: int
) -> np.ndarray:
    """Draws numbers for examples on the host, by SplitMix64, in a microsecond for each example.

    The numbers depend only on purpose, seed, epoch and the number of the example: they are terms of
    the sequence of Steele et al. 2014, "Fast Splittable Pseudorandom Number Generators", figure 15.

    Args:
      purpose: what the draws are for.
      seed: from 0 to 2**32 - 1.
      epoch: number of the epoch.
      rows: int (rows,), numbers of the examples.
      count: how many to draw for each example.

    Returns:
      float64 (rows, count), uniform in [0, 1).
    """
    (start,) = np.random.SeedSequence((seed, purpose, epoch)).generate_state(1, np.uint64)
    places = rows.astype(np.uint64)[:, None] * np.uint64(count) + np.arange(count, dtype=np.uint64)
    bits = start + places * GOLDEN_GAMMA
    bits = (bits ^ (bits >> np.uint64(30))) * MULTIPLIERS[0]
    bits = (bits ^ (bits >> np.uint64(27))) * MULTIPLIERS[1]
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)) * 2.0**-53
