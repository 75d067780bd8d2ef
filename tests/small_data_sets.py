"""Fixtures of small data sets in the place of the real ones, prepared by the real pipeline."""

import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from jaxdl.data import arrays, cifar, load, mnist, records, sources
from jaxdl.data.catalog import CATALOG
from jaxdl.data.website import Website

sys.path.append(str(Path(__file__).parent / "data"))
import small_mnist

GOOD, BAD = ("wonderful", "brilliant", "moving"), ("boring", "awful", "dull")
FILLER = ("the", "film", "was", "and", "its", "story", "of", "a", "man")
TRAIN_EXAMPLES, TEST_EXAMPLES = 400, 60


def draw_stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws images (count, 28, 28), each with a bright row whose height tells its label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count).astype(np.uint8)
    images = random.integers(0, 60, (count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 2 * label : 6 + 2 * label] = 255
    return images, labels


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """Prepares ``mnist`` in a data directory: stripes that are easy to learn."""
    folder = tmp_path_factory.mktemp("datasets")
    archives = folder / "downloads" / "mnist"
    archives.mkdir(parents=True)
    for prefix, count in (("train", TRAIN_EXAMPLES), ("t10k", TEST_EXAMPLES)):
        images, labels = draw_stripes(count, seed=count)
        (archives / f"{prefix}-images-idx3-ubyte.gz").write_bytes(small_mnist.idx(images))
        (archives / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(small_mnist.idx(labels))
    source = Website(small_mnist.CLOSED_PORT, small_mnist.describe(archives))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist.Mnist, "SOURCES", (source,))
        load("mnist", folder)
    return folder


@pytest.fixture(scope="session")
def cifar_dir(tmp_path_factory) -> Path:
    """Prepares ``cifar10`` in a data directory: each class has its own colour."""
    folder = tmp_path_factory.mktemp("cifar")
    archives = folder / "downloads" / "cifar10"
    archives.mkdir(parents=True)
    random = np.random.default_rng(0)
    colours = random.integers(0, 200, (10, 3, 1))

    def records(count: int) -> bytes:
        labels = random.integers(0, 10, count)
        pixels = colours[labels] + random.integers(0, 40, (count, 3, 1024))
        return (
            np.concatenate([labels[:, None], pixels.reshape(count, -1)], 1).astype("u1").tobytes()
        )

    with tarfile.open(archives / cifar.CIFAR10_ARCHIVE.name, "w:gz") as archive:
        for split, names in cifar.Cifar10.MEMBERS.items():
            for name in names:
                content = records(60 if split == "train" else 40)
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources.File, "matches", lambda file, path: True)
        patch.setattr(cifar.Cifar10, "DIGESTS", {})
        load("cifar10", folder)
    return folder


def write_reviews(count: int, seed: int) -> dict[str, np.ndarray]:
    """Writes reviews, in each of which two words tell its label."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count).astype(np.int32)
    texts = np.empty(count, object)
    for index, label in enumerate(labels):
        words = [
            *random.choice(FILLER, random.integers(3, 9)),
            *random.choice((BAD, GOOD)[label], 2),
        ]
        texts[index] = " ".join(random.permutation(words))
    return {"text": texts, "label": labels}


@pytest.fixture(scope="session")
def review_dir(tmp_path_factory):
    """Fills the cache of ``imdb_reviews`` with reviews that are easy to learn."""
    folder = tmp_path_factory.mktemp("reviews")
    entry = CATALOG["imdb_reviews"]
    version = folder / "imdb_reviews" / (entry.config or "") / entry.version
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text(
        json.dumps({"fileFormat": "array_record", "name": "imdb_reviews"})
    )
    splits = {"train": write_reviews(300, 0), "test": write_reviews(60, 1)}
    (version / "arrays").mkdir()
    fingerprint = records.fingerprint(version)
    arrays.write(arrays.Decoded(splits, ("neg", "pos")), fingerprint, version / "arrays")
    assert len(load("imdb_reviews", folder).test["text"]) == 60
    return folder
