"""Cross-entropy among a sample of the vocabulary, for training where the vocabulary is large.

The logits of all 10,000 words take two thirds of a small language model's train step.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.products import multiply_matrices
from jaxdl.nn.vocabulary import split_positions


def sampled_cross_entropy(
    features: jax.Array,
    table: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    key: jax.Array,
    num_words: int,
) -> jax.Array:
    """Sums the weighted cross-entropies of each target among random words.

    The sum over all other words in the normaliser is estimated by importance sampling (Bengio and
    Senécal 2008, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic
    Language Model"): from the logit of a word that was drawn, the logarithm of its expected number
    of draws is subtracted. The words are the same for all positions. They are drawn by Zipf's law,
    since the rows of the table are nearly in the order of their frequency.

    Args:
      features: (batch, positions, width).
      table: (vocabulary, width), of the same dtype.
      targets: int32 (batch, positions), indices of rows of the table.
      weights: float32 (batch, positions).
      key: random key of the draw.
      num_words: number of words to draw; a word may be drawn twice.

    Returns:
      float32, a scalar.
    """
    size = len(table)
    words = draw_words(key, num_words, size)
    columns = table[words].T
    corrections = jnp.log(num_words * probability_of(words, size))

    @jax.checkpoint
    def add(total: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        features, targets, weights = part
        others = multiply_matrices(features.reshape(-1, features.shape[-1]), columns)
        others = others.reshape(*targets.shape, num_words).astype(jnp.float32) - corrections
        others = jnp.where(words == targets[..., None], -jnp.inf, others)
        rows = table[targets].astype(jnp.float32)
        chosen = (features.astype(jnp.float32) * rows).sum(-1)
        normaliser = jnp.logaddexp(jax.nn.logsumexp(others, axis=-1), chosen)
        return total + ((normaliser - chosen) * weights).sum(), None

    parts = split_positions(features, targets, weights)
    return lax.scan(add, jnp.zeros((), jnp.float32), parts)[0]


def draw_words(key: jax.Array, num_words: int, size: int) -> jax.Array:
    """Draws indices of rows, int32 (num_words,), with the probabilities of `probability_of`."""
    uniform = jax.random.uniform(key, (num_words,))
    words = jnp.exp(uniform * jnp.log(size + 1.0)).astype(jnp.int32) - 1
    return jnp.clip(words, 0, size - 1)


def probability_of(words: jax.Array, size: int) -> jax.Array:
    """Returns the probability of each row by Zipf's law: log(1 + 1 / (row + 1)) / log(size + 1)."""
    return jnp.log1p(1 / (words + 1)) / jnp.log(size + 1.0)
