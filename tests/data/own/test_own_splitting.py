import numpy as np
import pytest
from hypothesis import given, strategies

from jaxdl.data.own.splitting import NumberedExamples, divide, is_test, sort_classes
from jaxdl.errors import UserError


def examples(labels, digests=None, seed=0):
    count = len(labels)
    if digests is None:
        digests = np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)
    return NumberedExamples(
        np.arange(count), np.array(labels, np.int32), np.array(digests, np.uint64)
    )


def test_a_tenth_of_each_class_becomes_the_test_split():
    splits = divide("own", {"train": examples([0] * 3000 + [1] * 1000)}, "ab")
    for label, count in ((0, 3000), (1, 1000)):
        assert 0.07 < (splits["test"].labels == label).sum() / count < 0.13
    numbers = np.concatenate([splits[split].numbers for split in ("train", "test")])
    assert sorted(numbers) == [*range(4000)]


@given(strategies.integers(0, 2**32), strategies.integers(2, 200), strategies.integers(0, 200))
def test_the_test_split_keeps_its_examples_when_others_are_added(seed, before, added):
    positions = np.random.default_rng(seed).random(before + added)
    labels = np.zeros(before + added, int)
    first = is_test(labels[:before], positions[:before])
    later = is_test(labels, positions)
    assert 0 < first.sum() < before
    if (positions[:before] < 0.1).any() and (positions[:before] >= 0.1).any():
        assert (later[:before] == first).all()


@given(strategies.lists(strategies.integers(0, 3), min_size=2))
def test_equal_examples_are_never_divided(values):
    positions = np.array(values) / 4
    chosen = is_test(np.zeros(len(values), int), positions)
    for value in {*positions}:
        assert len({*chosen[positions == value]}) == 1


def test_the_order_mixes_the_classes():
    splits = divide("own", {"train": examples([0] * 500 + [1] * 500)}, "ab")
    assert 0.4 < splits["train"].labels[:200].mean() < 0.6


def test_splits_that_are_given_stay(capsys):
    given_splits = {
        "train": examples([0, 1, 2], [1, 2, 3]),
        "validation": examples([1, 0], [4, 5]),
        "test": examples([0, 2], [1, 6]),
    }
    splits = divide("own", given_splits, "abc")
    sizes = {split: len(made.numbers) for split, made in splits.items()}
    assert sizes == {"train": 3, "validation": 2, "test": 2}
    errors = capsys.readouterr().err
    assert "1 test examples of own are training examples, too" in errors
    assert "The validation split of own has no example of c." in errors


def test_a_validation_split_alone_is_the_test_split(capsys):
    given_splits = {"train": examples([0, 1], [1, 2]), "validation": examples([0, 1], [3, 4])}
    assert {*divide("own", given_splits, "ab")} == {"train", "test"}
    assert "its validation split is the test split" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        ({"train": [0, 0]}, "single class, a: there is nothing to learn"),
        ({"train": []}, "single class, none"),
        ({"train": [0, 0, 1]}, "a single example of b, or equal ones, but"),
        ({"train": [0, 1], "test": [0, 3]}, r"test split of own has classes that .*, d: add"),
    ],
)
def test_what_cannot_be_learned_is_refused(splits, words):
    made = {split: examples(labels, seed=len(split)) for split, labels in splits.items()}
    with pytest.raises(UserError, match=words):
        divide("own", made, "abcd")


def test_classes_are_sorted_as_numbers_or_as_texts():
    assert sort_classes({"10", "9", "-1"}) == ["-1", "9", "10"]
    assert sort_classes({"10", "9", "x"}) == ["10", "9", "x"]
