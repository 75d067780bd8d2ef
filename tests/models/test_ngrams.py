import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.models.ngrams import NGramClassifier, bucket_of, distinct_ngrams, log_count_ratios

TEXTS = strategies.lists(
    strategies.lists(strategies.integers(1, 5), min_size=1, max_size=7), min_size=1, max_size=4
)


def padded(texts):
    length = np.array([len(text) for text in texts], np.int32)
    tokens = np.zeros((len(texts), length.max() + 2), np.int32)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
    return tokens, length


def ngrams_of(text, largest_n):
    return {
        tuple(text[start : start + n])
        for n in range(1, largest_n + 1)
        for start in range(len(text) - n + 1)
    }


@settings(max_examples=20, deadline=None)
@given(TEXTS, strategies.integers(1, 4), strategies.sampled_from((2**30, 7)))
def test_each_ngram_of_a_text_counts_once_and_padding_does_not(texts, largest_n, num_buckets):
    buckets, present = distinct_ngrams(*padded(texts), largest_n, num_buckets, np)
    for row, text in enumerate(texts):
        expected = {
            int(bucket_of([np.array([word]) for word in ngram], num_buckets, np)[0])
            for ngram in ngrams_of(text, largest_n)
        }
        assert buckets[row][present[row]].tolist() == sorted(expected)


def test_numpy_and_jax_find_the_same():
    tokens, length = padded([[1, 2, 3, 1, 2], [70_000, 5], [9]])
    by_numpy = distinct_ngrams(tokens, length, 3, 2**22, np)
    by_jax = jax.jit(lambda *arrays: distinct_ngrams(*arrays, 3, 2**22, jnp))(tokens, length)
    for one, other in zip(by_numpy, by_jax, strict=True):
        np.testing.assert_array_equal(one, other)


def test_buckets_are_spread_evenly_and_depend_on_the_order_of_the_words():
    first, second = np.meshgrid(np.arange(1, 301), np.arange(1, 301))
    buckets = bucket_of([first.ravel(), second.ravel()], 2**30, np)
    assert len(np.unique(buckets)) > buckets.size - 20
    counts = np.bincount(bucket_of([first.ravel(), second.ravel()], 100, np), minlength=100)
    assert counts.std() < 2 * counts.mean() ** 0.5
    alone = bucket_of([np.arange(300)], 2**30, np)
    assert np.isin(alone, buckets).sum() <= 1


def test_log_count_ratios_are_those_of_naive_bayes():
    counts, texts = np.array([[2, 0], [1, 1], [0, 0], [3, 1]]), np.array([4, 2])
    of_first, of_second = (counts + 1.0)[:, 0] / 5, (counts + 1.0)[:, 1] / 3
    expected = np.log(of_second) - np.log(of_first)
    ratios = log_count_ratios(counts, texts, np)
    np.testing.assert_allclose(ratios, expected[:, None], rtol=1e-6)
    with_third = np.pad(counts, ((0, 0), (0, 1))), np.append(texts, 0)
    of_each = log_count_ratios(*with_third, np)
    np.testing.assert_allclose(of_each[:, 1], ratios[:, 0], rtol=1e-6)
    np.testing.assert_allclose(of_each[:, 0], -ratios[:, 0], rtol=1e-6)
    by_jax = log_count_ratios(counts, texts, jnp)
    np.testing.assert_allclose(by_jax, ratios, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_logits_are_the_weighted_sums_of_rows_of_unit_length(num_classes):
    random = np.random.default_rng(0)
    model = NGramClassifier(largest_n=2, num_buckets=50, num_classes=num_classes)
    shape = (50, 1 if num_classes == 2 else 3)
    ratios, kernel = random.normal(size=(2, *shape)).astype(np.float32)
    bias = random.normal(size=shape[1:]).astype(np.float32)
    variables = {"params": {"kernel": kernel, "bias": bias}, "batch_stats": {"ratios": ratios}}
    tokens, length = padded([[1, 2, 3, 1], [4]])
    logits = model.apply(variables, tokens, length, train=False)
    assert logits.shape == (2, num_classes)
    for row, text in enumerate(([1, 2, 3, 1], [4])):
        found = {
            int(bucket_of([np.array([word]) for word in ngram], 50, np)[0])
            for ngram in ngrams_of(text, 2)
        }
        values = ratios[sorted(found)]
        expected = (values * kernel[sorted(found)]).sum(0) / np.linalg.norm(values, axis=0) + bias
        if num_classes == 2:
            assert logits[row, 0] == 0
        np.testing.assert_allclose(logits[row][-len(expected) :], expected, rtol=1e-4, atol=1e-5)
