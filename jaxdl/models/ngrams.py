"""A linear classifier of texts on their n-grams: sequences of up to n words.

Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification",
section 2: each n-gram that occurs in a text, however often, is a feature whose value is its naive
Bayes log-count ratio.
"""

from types import ModuleType
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.models.text_logits import num_outputs, with_first_logit

Array = TypeVar("Array", np.ndarray, jax.Array)

MULTIPLIER = 0x9E3779B1
MIXERS = (0x85EBCA6B, 0xC2B2AE35)
"""Odd constants that mix the bits: the first is Knuth's, the others are MurmurHash3's."""


class NGramClassifier(nn.Module):
    """Computes logits linearly from the log-count ratios of a text's n-grams, scaled to unit norm.

    The n-grams are hashed into buckets. Of two classes, the first always has the logit 0.
    "batch_stats" holds what is counted, not trained: "ratios", float32 (buckets, num_classes), or
    (buckets, 1) for two classes; see `log_count_ratios`.

    Attributes:
      largest_n: number of words of the longest n-grams.
      num_buckets: number of buckets.
      num_classes: number of logits.
    """

    largest_n: int = 3
    num_buckets: int = 2**22
    num_classes: int = 2

    @nn.compact
    def __call__(self, tokens: jax.Array, length: jax.Array, *, train: bool) -> jax.Array:
        """Maps int32 tokens (batch, time) and lengths (batch,) to logits (batch, num_classes)."""
        shape = (self.num_buckets, num_outputs(self.num_classes))
        ratios = self.variable("batch_stats", "ratios", jnp.zeros, shape)
        kernel = self.param("kernel", nn.initializers.zeros, shape)
        bias = self.param("bias", nn.initializers.zeros, shape[1:])
        buckets, present = distinct_ngrams(tokens, length, self.largest_n, self.num_buckets, jnp)
        values = jnp.where(present[..., None], jnp.asarray(ratios.value)[buckets], 0)
        weighted = (values * jnp.asarray(kernel)[buckets]).sum(axis=1)
        norms = jnp.sqrt((values**2).sum(axis=1))
        outputs = weighted / jnp.maximum(norms, 1e-6) + bias
        return with_first_logit(outputs, self.num_classes)


def distinct_ngrams(
    tokens: Array, length: Array, largest_n: int, num_buckets: int, xp: ModuleType
) -> tuple[Array, Array]:
    """Finds the buckets of the n-grams of texts.

    Args:
      tokens: int32 (texts, time).
      length: int32 (texts,), number of tokens that are not padding.
      largest_n: number of words of the longest n-grams.
      num_buckets: number of buckets.
      xp: numpy or jax.numpy, whichever made the arrays.

    Returns:
      The buckets in increasing order, int32 (texts, n-grams), and a bool mask of the same shape:
      True for the first occurrence of each, False for repetitions and for n-grams with padding.
    """
    time = tokens.shape[1]
    buckets = []
    for n in range(1, min(largest_n, time) + 1):
        of_n, is_real = buckets_of_size(tokens, length, n, num_buckets, xp)
        buckets.append(xp.where(is_real, of_n, num_buckets))
    ordered = xp.sort(xp.concatenate(buckets, axis=1), axis=1)
    is_first = xp.concatenate(
        [xp.ones_like(ordered[:, :1], bool), ordered[:, 1:] != ordered[:, :-1]], axis=1
    )
    return ordered, is_first & (ordered < num_buckets)


def buckets_of_size(
    tokens: Array, length: Array, n: int, num_buckets: int, xp: ModuleType
) -> tuple[Array, Array]:
    """Finds the buckets of the n-grams of one size, by the position of their first word.

    The arguments are as in `distinct_ngrams`; ``n`` is the number of words of each n-gram.

    Returns:
      The buckets, int32 (texts, time - n + 1), and a bool mask of the same shape, False for n-grams
      with padding.
    """
    positions = tokens.shape[1] - n + 1
    words = [tokens[:, i : positions + i] for i in range(n)]
    return bucket_of(words, num_buckets, xp), xp.arange(positions) + n <= length[:, None]


def bucket_of(words: list[Array], num_buckets: int, xp: ModuleType) -> Array:
    """Hashes n-grams, given as the arrays of their first, second, ... words, to int32 buckets."""
    code = xp.zeros_like(words[0], xp.uint32) + xp.uint32(len(words))
    for word in words:
        code = (code + word.astype(xp.uint32)) * xp.uint32(MULTIPLIER)
        for shift, mixer in zip((16, 13), MIXERS, strict=True):
            code = (code ^ (code >> xp.uint32(shift))) * xp.uint32(mixer)
    return ((code ^ (code >> xp.uint32(16))) % xp.uint32(num_buckets)).astype(xp.int32)


def log_count_ratios(counts: Array, texts: Array, xp: ModuleType) -> Array:
    """Computes how much more often n-grams occur in the texts of a class than in others.

    The ratio is log((p + 1) / (P + 1)) - log((q + 1) / (Q + 1)) for an n-gram that occurs in p of
    the P texts of the class and in q of the Q others.

    Args:
      counts: float (..., classes), the number of texts of each class in which an n-gram occurs.
      texts: float (..., classes), the number of texts of each class.
      xp: numpy or jax.numpy, whichever made the arrays.

    Returns:
      (..., classes), or for two classes only the ratio of the second, (..., 1).
    """
    others = counts.sum(-1, keepdims=True) - counts
    other_texts = texts.sum(-1, keepdims=True) - texts
    ratios = xp.log((counts + 1) / (texts + 1)) - xp.log((others + 1) / (other_texts + 1))
    return ratios[..., counts.shape[-1] == 2 :]
