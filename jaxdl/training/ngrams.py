"""Fits the linear classifier on n-grams: counts of naive Bayes, then a logistic regression."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.console import progress
from jaxdl.models.ngrams import (
    NGramClassifier,
    buckets_of_size,
    distinct_ngrams,
    log_count_ratios,
)
from jaxdl.models.text_logits import num_outputs, with_first_logit
from jaxdl.training.lbfgs import minimise

TEXTS_AT_ONCE = 500


class Rows(NamedTuple):
    """The n-grams of texts as the entries of a sparse matrix, in the order of the texts.

    Attributes:
      text: int32 (entries,), number of the text.
      bucket: int32 (entries,), that of one of its n-grams.
    """

    text: np.ndarray
    bucket: np.ndarray


def find_rows(model: NGramClassifier, split: dict[str, np.ndarray]) -> Rows:
    """Finds the n-grams of texts, with "tokens" (texts, time) and their "length" (texts,)."""
    tokens, length = split["tokens"], split["length"]
    texts, buckets = [], []
    with progress("finding the n-grams", len(tokens)) as show:
        for start in range(0, len(tokens), TEXTS_AT_ONCE):
            lengths = length[start : start + TEXTS_AT_ONCE]
            part = tokens[start : start + TEXTS_AT_ONCE, : lengths.max()]
            found, present = distinct_ngrams(part, lengths, model.largest_n, model.num_buckets, np)
            texts.append(np.nonzero(present)[0].astype(np.int32) + start)
            buckets.append(found[present])
            show(start + len(part), "")
    return Rows(np.concatenate(texts), np.concatenate(buckets))


def fit_ngrams(
    model: NGramClassifier, split: dict[str, np.ndarray], penalty: float, steps: int
) -> dict[str, Any]:
    """Counts the ratios of the n-grams, and fits their weights by L-BFGS.

    Args:
      model: the classifier.
      split: "tokens" int32 (texts, time), "length" and "label", int32 (texts,).
      penalty: half of it times the squared norm of the weights is added to the sum of the
        cross-entropies.
      steps: number of L-BFGS steps.

    Returns:
      The variables of the model.
    """
    rows = find_rows(model, split)
    sizes = model.num_buckets, model.num_classes
    ratios = log_count_ratios(*rows, split["label"], *sizes)
    entries, used = weighted_entries(rows, ratios)
    params = {
        "kernel": jnp.zeros((len(used), ratios.shape[1])),
        "bias": jnp.zeros(ratios.shape[1]),
    }
    targets = jnp.asarray(split["label"])

    def loss_fn(params: Any, entries: Any, targets: jax.Array) -> jax.Array:
        logits = logits_of_rows(params, entries, len(targets), model.num_classes)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.mean() + penalty / 2 / len(targets) * jnp.sum(params["kernel"] ** 2)

    params = minimise(loss_fn, params, (entries, targets), steps, "fitting the n-grams")
    kernel = np.zeros((model.num_buckets, num_outputs(model.num_classes)), np.float32)
    kernel[used] = params["kernel"]
    return {
        "params": {"kernel": kernel, "bias": np.asarray(params["bias"])},
        "batch_stats": {"ratios": ratios},
    }


def predict_ngrams(
    model: NGramClassifier, variables: Any, split: dict[str, np.ndarray]
) -> np.ndarray:
    """Computes what ``model.apply`` gives for whole splits, faster: float32 (texts, classes)."""
    entries, used = weighted_entries(find_rows(model, split), variables["batch_stats"]["ratios"])
    params = variables["params"] | {"kernel": variables["params"]["kernel"][used]}
    return np.asarray(logits_of_rows(params, entries, len(split["length"]), model.num_classes))


def find_ngrams(
    model: NGramClassifier, split: dict[str, np.ndarray], wanted: np.ndarray
) -> dict[int, tuple[int, ...]]:
    """Finds for each wanted bucket an n-gram that is hashed into it, the first one in the texts.

    Args:
      model: the classifier.
      split: "tokens" int32 (texts, time) and their "length", int32 (texts,).
      wanted: int (buckets,).

    Returns:
      The tokens of an n-gram for each bucket that occurs.
    """
    found: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(split["tokens"]), TEXTS_AT_ONCE):
        missing = np.setdiff1d(wanted, list(found))
        if not len(missing):
            break
        length = split["length"][start : start + TEXTS_AT_ONCE]
        tokens = split["tokens"][start : start + TEXTS_AT_ONCE, : length.max()]
        for n in range(1, min(model.largest_n, tokens.shape[1]) + 1):
            buckets, is_real = buckets_of_size(tokens, length, n, model.num_buckets, np)
            for text, place in np.argwhere(np.isin(buckets, missing) & is_real):
                ngram = tuple(tokens[text, place : place + n].tolist())
                found.setdefault(int(buckets[text, place]), ngram)
    return found


def weighted_entries(
    rows: Rows, ratios: np.ndarray
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], np.ndarray]:
    """Weights the entries by their ratios, so that the row of each text has unit length.

    Returns:
      The text, int32 (entries,), the place of the bucket among those used, int32 (entries,), and
      the weight, float32 (entries, logits), of each entry whose ratio is not 0; and the buckets
      used, int (used,).
    """
    is_used = ratios.any(axis=1)
    used, places = np.flatnonzero(is_used), np.cumsum(is_used, dtype=np.int32) - 1
    kept = is_used[rows.bucket]
    text, bucket = rows.text[kept], rows.bucket[kept]
    values = ratios[bucket]
    num_texts = int(rows.text[-1]) + 1
    squares = [np.bincount(text, column**2, num_texts) for column in values.T]
    norms = np.maximum(np.sqrt(np.stack(squares, axis=1)), 1e-6)
    weights = (values / norms[text]).astype(np.float32)
    return tuple(map(jnp.asarray, (text, places[bucket], weights))), used


def logits_of_rows(
    params: Any, entries: tuple[jax.Array, ...], num_texts: int, num_classes: int
) -> jax.Array:
    """Sums the weighted entries of each text, float32 (texts, classes)."""
    text, place, weights = entries
    outputs = params["bias"] + jax.ops.segment_sum(
        weights * params["kernel"][place], text, num_texts, indices_are_sorted=True
    )
    return with_first_logit(outputs, num_classes)
