"""Log-count ratios of the n-grams that end at each word, as inputs of text classifiers."""

from types import ModuleType

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.models.ngrams import Array, buckets_of_size, log_count_ratios

NGRAM_COUNTS = "ngram_counts"


class NGramRatios(nn.Module):
    """Gives for each word the naive Bayes log-count ratios of the n-grams that end there.

    "batch_stats" holds what `jaxdl.training.ngrams.count_texts` counts before training: "counts",
    float32 (buckets, classes), the number of texts of each class in which an n-gram of the bucket
    occurs, and "texts", float32 (classes,), the number of texts of each class.

    Attributes:
      largest_n: number of words of the longest n-grams.
      num_buckets: number of buckets into which n-grams are hashed.
      num_classes: number of classes.
    """

    largest_n: int
    num_buckets: int
    num_classes: int

    @nn.compact
    def __call__(self, tokens: jax.Array, length: jax.Array) -> jax.Array:
        """See `ratios_at_words`."""
        shape = (self.num_buckets, self.num_classes)
        counts = self.variable("batch_stats", "counts", jnp.zeros, shape).value
        texts = self.variable("batch_stats", "texts", jnp.zeros, shape[1:]).value
        return ratios_at_words(tokens, length, counts, texts, self.largest_n, jnp)


def ratios_at_words(
    tokens: Array, length: Array, counts: Array, texts: Array, largest_n: int, xp: ModuleType
) -> Array:
    """Finds the ratios of the n-grams that end at each word; 0 where there is no such n-gram.

    Args:
      tokens: int32 (batch, time), padded at the end.
      length: int32 (batch,), number of tokens before the padding.
      counts: float32 (buckets, classes), see `NGramRatios`.
      texts: float32 (classes,).
      largest_n: number of words of the longest n-grams.
      xp: numpy or jax.numpy, whichever made the arrays.

    Returns:
      float32 (batch, time, largest_n * ratios): one ratio per class, but only one for two classes.
    """
    positions = xp.arange(tokens.shape[1])
    ratios = []
    for n in range(1, largest_n + 1):
        shifted = xp.pad(tokens, ((0, 0), (n - 1, 0)))  # aligns n-grams with their last word
        buckets, _ = buckets_of_size(shifted, length, n, len(counts), xp)
        is_real = (positions >= n - 1) & (positions < length[:, None])
        of_size = log_count_ratios(counts[buckets], texts, xp)
        ratios.append(xp.where(is_real[:, :, None], of_size, 0))
    return xp.concatenate(ratios, axis=-1)


def sum_ratios(ratios: jax.Array, weights: jax.Array) -> jax.Array:
    """Sums the weighted ratios of each text, and divides the sums by the norm of all its ratios.

    So the sums grow more slowly with the length of the text. `jaxdl.models.ngrams` scales texts
    similarly, by one norm per logit.

    Args:
      ratios: float (batch, time, features), 0 at padding.
      weights: float (batch, time, features).

    Returns:
      float32 (batch, features).
    """
    ratios = ratios.astype(jnp.float32)
    norms = jnp.sqrt(jnp.square(ratios).sum(axis=(1, 2)))
    return (ratios * weights).sum(axis=1) / jnp.maximum(norms, 1e-6)[:, None]


def ngram_ratios(
    classifier: nn.Module, tokens: jax.Array, length: jax.Array, ratios: jax.Array | None
) -> jax.Array | None:
    """Returns the ratios that a classifier reads: those given, or those of a layer `ngram_counts`.

    The result is None if none are given and the classifier reads no n-grams.
    """
    if ratios is not None or not classifier.ngrams:
        return ratios
    sizes = classifier.ngrams, classifier.ngram_buckets, classifier.num_classes
    return NGramRatios(*sizes, name=NGRAM_COUNTS)(tokens, length)
