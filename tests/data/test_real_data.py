import hashlib
import time

import numpy as np
import pytest

from jaxdl.data import imdb, load
from jaxdl.data.catalog import CATALOG
from jaxdl.data.website import Website

pytestmark = pytest.mark.network

DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_DIGITS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
HISTOGRAMS = {
    "mnist": (DIGITS, TEST_DIGITS),
    "fashion_mnist": ([6000] * 10, [1000] * 10),
    "cifar10": ([5000] * 10, [1000] * 10),
}
REVIEWS_IN_BOTH_SPLITS = 123  # counted in the test split, as in the official archive


def mirrors_only(name, monkeypatch):
    builder = CATALOG[name].builder_class()
    mirrors = tuple(source for source in builder.SOURCES if not isinstance(source, Website))
    assert mirrors
    monkeypatch.setattr(builder, "SOURCES", mirrors)
    return mirrors


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_the_mirror_gives_the_official_data(name, tmp_path, monkeypatch):
    mirrors = mirrors_only(name, monkeypatch)
    dataset = load(name, tmp_path, validation_fraction=0)
    for examples, histogram in zip((dataset.train, dataset.test), HISTOGRAMS[name], strict=True):
        assert examples["image"].shape == (sum(histogram), *CATALOG[name].image_shape)
        np.testing.assert_array_equal(np.bincount(examples["label"]), histogram)
    assert len(dataset.train["label"]) == CATALOG[name].num_train
    for file in mirrors[0].files:
        content = (tmp_path / "downloads" / name / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256


def test_the_mirrors_give_the_official_reviews(tmp_path, monkeypatch):
    mirrors_only("imdb_reviews", monkeypatch)
    dataset = load("imdb_reviews", tmp_path, validation_fraction=0.2)
    assert dataset.class_names == ("negative", "positive")
    assert [len(split["text"]) for split in (dataset.train, dataset.validation)] == [20_000, 5_000]
    assert abs(dataset.validation["label"].mean() - 0.5) < 0.02
    whole = load("imdb_reviews", tmp_path, validation_fraction=0)
    for split, examples in (("train", whole.train), ("test", whole.test)):
        np.testing.assert_array_equal(np.bincount(examples["label"]), [12_500, 12_500])
        labels = (("neg", "pos")[label] for label in examples["label"])
        assert (
            imdb.digest(zip(examples["text"], labels, strict=True))
            == (imdb.ImdbReviews.DIGESTS[split])
        )
        size = sum(len(text.encode()) for text in examples["text"])
        assert size == {"train": 33_132_823, "test": 32_350_685}[split]
    assert len(whole.train["label"]) == CATALOG["imdb_reviews"].num_train
    trained_on = set(whole.train["text"])
    assert sum(text in trained_on for text in whole.test["text"]) == REVIEWS_IN_BOTH_SPLITS
    started = time.perf_counter()
    load("imdb_reviews", tmp_path)
    assert time.perf_counter() - started < 1
