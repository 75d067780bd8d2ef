import numpy as np
import pytest

from jaxdl.models.ngram_ratios import ratios_at_words
from jaxdl.models.ngrams import NGramClassifier
from jaxdl.training.ngrams import (
    FOLDS,
    count_texts,
    find_rows,
    fit_ngrams,
    out_of_fold_ratios,
    predict_ngrams,
)


def texts_of(num_texts, num_classes, seed):
    """Texts of 5 to 20 words; in those of class k, words 3k to 3k + 2 follow one another."""
    random = np.random.default_rng(seed)
    label = random.integers(0, num_classes, num_texts).astype(np.int32)
    length = random.integers(5, 21, num_texts).astype(np.int32)
    tokens = random.integers(1, 40, (num_texts, 22)).astype(np.int32)
    for row in range(num_texts):
        start = random.integers(0, length[row] - 2)
        tokens[row, start : start + 3] = 3 * label[row] + np.arange(1, 4)
        tokens[row, length[row] :] = 0
    return {"tokens": tokens, "length": length, "label": label}


@pytest.mark.parametrize("num_classes", [2, 3])
def test_what_tells_classes_apart_is_learned_and_the_model_predicts_the_same(num_classes):
    model = NGramClassifier(num_buckets=2**14, num_classes=num_classes)
    train, test = texts_of(600, num_classes, 0), texts_of(200, num_classes, 1)
    variables = fit_ngrams(model, train, penalty=0.3, steps=20)
    logits = predict_ngrams(model, variables, test)
    assert (logits.argmax(-1) == test["label"]).mean() > 0.95
    by_model = model.apply(variables, test["tokens"], test["length"], train=False)
    np.testing.assert_allclose(logits, by_model, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_larger_penalty_gives_smaller_weights():
    model = NGramClassifier(num_buckets=2**12)
    train = texts_of(200, 2, 0)
    norms = [
        np.linalg.norm(fit_ngrams(model, train, penalty, 20)["params"]["kernel"])
        for penalty in (0.1, 1.0, 10.0)
    ]
    assert norms[0] > 1.5 * norms[1] > 2 * norms[2]


def test_a_text_of_unknown_ngrams_gets_the_bias():
    model = NGramClassifier(num_buckets=2**20)
    train = texts_of(100, 2, 0)
    variables = fit_ngrams(model, train, 1.0, 10)
    unknown = {"tokens": np.array([[900, 901, 0]], np.int32), "length": np.array([2], np.int32)}
    logits = predict_ngrams(model, variables, unknown)
    np.testing.assert_allclose(logits[0, 1], variables["params"]["bias"][0], rtol=1e-5)


def test_an_ngram_of_a_single_text_does_not_count():
    train = texts_of(100, 2, 0)
    variables = fit_ngrams(NGramClassifier(largest_n=2, num_buckets=2**12), train, 1.0, 10)
    in_texts = np.bincount(find_rows(train, 2, 2**12).bucket, minlength=2**12)
    ratios = variables["batch_stats"]["ratios"]
    assert (in_texts == 1).any()
    assert not ratios[in_texts <= 1].any()
    assert (ratios[in_texts > 2] != 0).mean() > 0.5


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_ratios_of_a_fold_are_those_that_are_counted_in_the_others(num_classes):
    split = texts_of(45, num_classes, 0)
    sizes = 2**14, num_classes
    rows = find_rows(split, 2, 2**14)
    counted = count_texts(rows, split["label"], *sizes)
    ratios = out_of_fold_ratios(rows, split, counted, 2)
    assert ratios.shape == (45, 22, 2 if num_classes == 2 else 6)
    folds = np.random.default_rng(0).permutation(45) % FOLDS
    for fold in range(FOLDS):
        inside = {name: array[folds == fold] for name, array in split.items()}
        others = {name: array[folds != fold] for name, array in split.items()}
        counts = count_texts(find_rows(others, 2, 2**14), others["label"], *sizes)
        expected = ratios_at_words(inside["tokens"], inside["length"], **counts, largest_n=2, xp=np)
        np.testing.assert_allclose(ratios[folds == fold], expected, rtol=2e-3, atol=1e-3)


def test_labels_without_a_relation_to_the_texts_are_not_told_by_the_ratios():
    random = np.random.default_rng(9)
    split = texts_of(2000, 2, 0) | {"label": random.integers(0, 2, 2000).astype(np.int32)}
    rows = find_rows(split, 3, 2**16)
    counted = count_texts(rows, split["label"], 2**16, 2)
    told = out_of_fold_ratios(rows, split, counted, 3).astype(np.float64).sum((1, 2))
    assert abs(np.corrcoef(told, split["label"])[0, 1]) < 0.1
    naive = ratios_at_words(split["tokens"], split["length"], **counted, largest_n=3, xp=np)
    assert np.corrcoef(naive.sum((1, 2)), split["label"])[0, 1] > 0.5  # what has to be avoided
