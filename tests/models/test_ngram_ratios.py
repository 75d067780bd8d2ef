import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, draw, init

from jaxdl.models.ngram_ratios import NGRAM_COUNTS, NGramRatios, ratios_at_words, sum_ratios
from jaxdl.models.ngrams import log_count_ratios
from jaxdl.models.rnn import TextRNN
from jaxdl.models.transformer import TextTransformer
from jaxdl.training.layers import RATIO_WEIGHTS
from jaxdl.training.ngrams import count_texts, find_rows


def padded(texts):
    tokens = np.zeros((len(texts), 8), np.int32)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
    return tokens, np.array([len(text) for text in texts], np.int32)


def counted(texts, labels, num_buckets=2**20, num_classes=2):
    """The counts of the n-grams of up to three words of texts."""
    tokens, length = padded(texts)
    rows = find_rows({"tokens": tokens, "length": length}, 3, num_buckets)
    return count_texts(rows, np.array(labels), num_buckets, num_classes)


@pytest.mark.parametrize("by", ["numpy", "layer"])
def test_the_ratio_of_an_ngram_is_at_its_last_word(by):
    counts = counted([[1, 2, 1, 2], [2, 1], [3, 1, 2]], [1, 0, 0])
    in_texts_of_each_class = {
        (0, 0): (0, 0),  # 4
        (1, 0): (2, 1),  # 1
        (2, 0): (2, 1),  # 2
        (1, 1): (0, 0),  # 4 1
        (2, 1): (1, 1),  # 1 2: once, although one text has it twice
        (2, 2): (0, 0),  # 4 1 2
    }
    expected = np.zeros((1, 8, 3))
    for place, both in in_texts_of_each_class.items():
        expected[0][place] = log_count_ratios(np.array(both), np.array([2, 1]), np)[0]
    inputs = padded([[4, 1, 2]])
    if by == "numpy":
        ratios = ratios_at_words(*inputs, **counts, largest_n=3, xp=np)
    else:
        ratios = apply(NGramRatios(3, 2**20, 2), {"batch_stats": counts}, *inputs)
    np.testing.assert_allclose(ratios, expected, rtol=1e-5, atol=1e-6)


def test_a_text_may_be_shorter_than_the_ngrams():
    counts = counted([[1], [2]], [0, 1])
    tokens, length = np.array([[1], [2]]), np.array([1, 1])
    ratios = ratios_at_words(tokens, length, **counts, largest_n=3, xp=np)
    assert ratios.shape == (2, 1, 3)
    assert (ratios[:, :, 0] != 0).all()
    assert not ratios[:, :, 1:].any()


def test_sums_do_not_depend_on_the_scale_of_the_ratios_nor_on_padding():
    ratios = np.random.default_rng(0).normal(size=(4, 7, 3)).astype(np.float32)
    weights = np.linspace(0, 2, 7, dtype=np.float32)[:, None] * np.ones((4, 1, 3), np.float32)
    sums = sum_ratios(ratios, weights)
    norms = np.linalg.norm(ratios.reshape(4, -1), axis=1)
    np.testing.assert_allclose(sums, (ratios * weights).sum(1) / norms[:, None], rtol=1e-5)
    np.testing.assert_allclose(sum_ratios(5 * ratios, weights), sums, rtol=1e-5)
    padded = (np.pad(array, ((0, 0), (0, 3), (0, 0))) for array in (ratios, weights))
    np.testing.assert_allclose(sum_ratios(*padded), sums, rtol=1e-5)
    assert not sum_ratios(0 * ratios, weights).any()


SMALL = {"vocabulary_size": 20, "ngrams": 3, "ngram_buckets": 64}
MODELS = [
    TextRNN(**SMALL),
    TextRNN(**SMALL, bidirectional=True, num_classes=3),
    TextTransformer(**SMALL),
    TextTransformer(**SMALL, num_classes=3),
]


def with_other_weights(variables):
    """The variables, with weights of the ratios that depend on the words, if there are any."""
    params = variables["params"]
    if RATIO_WEIGHTS not in params:
        return variables
    layer = params[RATIO_WEIGHTS]
    kernel = jax.random.normal(jax.random.key(1), layer["kernel"].shape)
    return variables | {"params": params | {RATIO_WEIGHTS: layer | {"kernel": kernel}}}


@pytest.mark.parametrize("model", MODELS, ids=["rnn", "both ways", "transformer", "of 3 classes"])
def test_a_network_reads_the_ratios_that_are_given_or_else_counted(model):
    texts, labels = [[1, 2, 3], [4, 5], [1, 4]], [0, 1, 1]
    inputs = padded(texts)
    variables = with_other_weights(draw(model, *inputs, train=False))
    without = apply(model, variables, *inputs, train=False)
    counts = counted(texts, labels, 64, model.num_classes)
    variables["batch_stats"][NGRAM_COUNTS] = counts
    logits = apply(model, variables, *inputs, train=False)
    assert np.abs(logits - without).max() > 1e-3
    longer = jnp.pad(inputs[0], ((0, 0), (0, 3)))
    by_padded = apply(model, variables, longer, inputs[1], train=False)
    np.testing.assert_allclose(by_padded, logits, rtol=1e-4, atol=1e-5)

    ratios = ratios_at_words(*inputs, **counts, largest_n=3, xp=np)
    given, changed = apply(model, variables, *inputs, ratios, train=False, mutable=["batch_stats"])
    np.testing.assert_allclose(given, logits, rtol=1e-4, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, changed["batch_stats"], variables["batch_stats"])


def test_the_weights_of_the_ratios_depend_on_the_words_and_are_1_at_first():
    inputs = padded([[1, 2, 3], [4, 5], [1, 4]])
    ratios = np.random.default_rng(0).normal(size=(3, 8, 3)).astype(np.float32)
    model = TextTransformer(**SMALL)
    variables = init(model, *inputs, ratios, train=False)
    layer = variables["params"][RATIO_WEIGHTS]
    assert not any(leaf.any() for leaf in jax.tree.leaves(layer))
    before, after = (
        apply(model, each, *inputs, ratios, train=False)
        for each in (variables, with_other_weights(variables))
    )
    assert np.abs(before - after).max() > 1e-3


def test_bfloat16_is_close_to_float32():
    inputs = padded([[1, 2, 3], [4, 5], [1, 4]])
    ratios = np.random.default_rng(0).normal(size=(3, 8, 3)).astype(np.float32)
    exact, coarse = (TextTransformer(**SMALL, dtype=dtype) for dtype in (jnp.float32, jnp.bfloat16))
    variables = with_other_weights(draw(exact, *inputs, ratios, train=False))
    expected = apply(exact, variables, *inputs, ratios, train=False)
    got = apply(coarse, variables, *inputs, ratios, train=False)
    np.testing.assert_allclose(got, expected, atol=0.05)
