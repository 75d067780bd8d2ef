"""Fits the linear classifier on n-grams: naive Bayes counts, then a logistic regression."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.data.tracking import tracked
from jaxdl.models.ngram_ratios import ratios_at_words
from jaxdl.models.ngrams import NGramClassifier, buckets_of_size, distinct_ngrams, log_count_ratios
from jaxdl.models.text_logits import num_outputs, with_first_logit
from jaxdl.training.lbfgs import minimise

TEXTS_AT_ONCE, FOLDS = 500, 10


class Rows(NamedTuple):
    """The n-grams of texts as the entries of a sparse matrix, in the order of the texts.

    Attributes:
      text: int32 (entries,), index of the text.
      bucket: int32 (entries,), bucket of one of its n-grams.
    """

    text: np.ndarray
    bucket: np.ndarray


def find_rows(split: dict[str, np.ndarray], largest_n: int, num_buckets: int) -> Rows:
    """Finds the n-grams of texts, with "tokens" (texts, time) and their "length" (texts,)."""
    tokens, length = split["tokens"], split["length"]
    texts, buckets = [], []
    for start in tracked(range(0, len(tokens), TEXTS_AT_ONCE), "finding the n-grams"):
        lengths = length[start : start + TEXTS_AT_ONCE]
        part = tokens[start : start + TEXTS_AT_ONCE, : lengths.max()]
        found, present = distinct_ngrams(part, lengths, largest_n, num_buckets, np)
        texts.append(np.nonzero(present)[0].astype(np.int32) + start)
        buckets.append(found[present])
    return Rows(np.concatenate(texts), np.concatenate(buckets))


def count_texts(
    rows: Rows, labels: np.ndarray, num_buckets: int, num_classes: int
) -> dict[str, np.ndarray]:
    """Counts the texts of each class, and how many of them have an n-gram in each bucket.

    Args:
      rows: the n-grams of the texts.
      labels: int32 (texts,).
      num_buckets: number of buckets.
      num_classes: number of classes.

    Returns:
      "counts", float32 (buckets, classes), and "texts", float32 (classes,).
    """
    counts = [
        np.bincount(rows.bucket[labels[rows.text] == label], minlength=num_buckets)
        for label in range(num_classes)
    ]
    texts = np.bincount(labels, minlength=num_classes)
    return {
        "counts": np.stack(counts, axis=1).astype(np.float32),
        "texts": texts.astype(np.float32),
    }


def describe_ratios(time: int, largest_n: int, num_classes: int) -> jax.ShapeDtypeStruct:
    """Returns shape and dtype of the ratios of a training text, see `out_of_fold_ratios`."""
    return jax.ShapeDtypeStruct((time, largest_n * num_outputs(num_classes)), np.float16)


def out_of_fold_ratios(
    rows: Rows, split: dict[str, np.ndarray], counted: dict[str, np.ndarray], largest_n: int
) -> np.ndarray:
    """Computes the ratios of each training text from the counts in the other nine of ten folds.

    With the counts in all texts, an n-gram that occurs in one text only would reveal the label of
    that text. If only the text itself were left out, each ratio would be shifted away from its
    label, which a network that knows the words could learn to use (Prokhorenkova et al. 2018,
    "CatBoost", section 3.2).

    Args:
      rows: the n-grams of the texts.
      split: "tokens" int32 (texts, time), "length" and "label", int32 (texts,).
      counted: what `count_texts` returned for all of them.
      largest_n: number of words of the longest n-grams.

    Returns:
      float16 (texts, time, largest_n * ratios), see `jaxdl.models.ngram_ratios`.
    """
    num_texts, (num_buckets, num_classes) = len(split["label"]), counted["counts"].shape
    fold_of = np.random.default_rng(0).permutation(num_texts) % FOLDS
    one = describe_ratios(split["tokens"].shape[1], largest_n, num_classes)
    ratios = np.empty((num_texts, *one.shape), one.dtype)
    for fold in tracked(range(FOLDS), "counting the n-grams of other texts"):
        is_inside = fold_of == fold
        kept, places = is_inside[rows.text], np.flatnonzero(is_inside)
        inside = count_texts(
            Rows(rows.text[kept], rows.bucket[kept]), split["label"], num_buckets, num_classes
        )
        inside["texts"] = np.bincount(split["label"][places], minlength=num_classes)
        outside = {name: counted[name] - inside[name] for name in counted}
        for start in range(0, len(places), TEXTS_AT_ONCE):
            part = places[start : start + TEXTS_AT_ONCE]
            texts = split["tokens"][part], split["length"][part]
            ratios[part] = ratios_at_words(*texts, **outside, largest_n=largest_n, xp=np)
    return ratios


def fit_ngrams(
    model: NGramClassifier, split: dict[str, np.ndarray], penalty: float, steps: int
) -> dict[str, Any]:
    """Computes the ratios of the n-grams by counting, and fits their weights by L-BFGS.

    Args:
      model: the classifier.
      split: "tokens" int32 (texts, time), "length" and "label", int32 (texts,).
      penalty: half of it times the squared norm of the weights is added to the sum of the
        cross-entropies.
      steps: number of L-BFGS steps, a multiple of 10.

    Returns:
      The variables of the model.
    """
    rows = find_rows(split, model.largest_n, model.num_buckets)
    counted = count_texts(rows, split["label"], model.num_buckets, model.num_classes)
    # An n-gram of a single text would only tell the texts of the training split apart.
    is_shared = counted["counts"].sum(axis=1, keepdims=True) > 1
    ratios = np.where(is_shared, log_count_ratios(**counted, xp=np), np.float32(0))
    entries, used = weighted_entries(rows, ratios)
    params = {"kernel": jnp.zeros((len(used), ratios.shape[1])), "bias": jnp.zeros(ratios.shape[1])}
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
    """Computes the logits of ``model.apply`` for a split, but faster: float32 (texts, classes)."""
    rows = find_rows(split, model.largest_n, model.num_buckets)
    entries, used = weighted_entries(rows, variables["batch_stats"]["ratios"])
    params = variables["params"] | {"kernel": variables["params"]["kernel"][used]}
    return np.asarray(logits_of_rows(params, entries, len(split["length"]), model.num_classes))


def find_ngrams(
    model: NGramClassifier, split: dict[str, np.ndarray], wanted: np.ndarray
) -> dict[int, tuple[int, ...]]:
    """Finds for each wanted bucket one of the n-grams of the texts that are hashed into it.

    Args:
      model: the classifier.
      split: "tokens" int32 (texts, time) and their "length", int32 (texts,).
      wanted: int (buckets,).

    Returns:
      The tokens of the n-gram for each wanted bucket that occurs in the texts.
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
      For each entry with a ratio other than 0 its text, int32 (entries,), the index of its bucket
      among those used, int32 (entries,), and its weights, float32 (entries, logits); and the
      buckets used, int (used,).
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
    """Computes logits from the weighted entries of each text, float32 (texts, classes)."""
    text, place, weights = entries
    outputs = params["bias"] + jax.ops.segment_sum(
        weights * params["kernel"][place], text, num_texts, indices_are_sorted=True
    )
    return with_first_logit(outputs, num_classes)
