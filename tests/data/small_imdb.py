"""A few reviews in the formats of IMDB's official archive and its two mirrors, for tests."""

import csv
import hashlib
import io
import tarfile
from pathlib import Path

from jaxdl.data.imdb import ARCHIVE, TRAIN_TABLE, WHOLE_TABLE, Review, digest
from jaxdl.data.sources import File

TRAIN = [
    *(Review(f"Bad film number {number}.<br /><br />Awful!", "neg") for number in range(20)),
    *(Review(f'A "good" film, number {number}', "pos") for number in range(20)),
    Review("Seen twice", "pos"),
    Review("Seen twice", "pos"),
    Review("In both splits", "neg"),
    Review("Naïve: 日本 😀\x85", "neg"),
]
TEST = [
    *(Review(f"Poor film number {number}", "neg") for number in range(5)),
    *(Review(f"Great film\tnumber {number}\nindeed", "pos") for number in range(5)),
    Review("Seen twice", "pos"),
    Review("In both splits", "neg"),
]
DIGESTS = {"train": digest(TRAIN), "test": digest(TEST)}

OTHER_MEMBERS = (
    "aclImdb/README",
    "aclImdb/train/unsup/0_0.txt",
    "aclImdb/train/pos/urls.txt",
    "aclImdb/train/pos/0_9.txt.bak",
    "elsewhere/aclImdb/train/pos/0_9.txt",
    "../aclImdb/test/neg/0_1.txt",
)


def write_archive(folder: Path) -> None:
    with tarfile.open(folder / ARCHIVE.name, "w:gz") as archive:
        for split, reviews in (("train", TRAIN), ("test", TEST)):
            for number, (text, label) in enumerate(reviews):
                add(archive, f"aclImdb/{split}/{label}/{number}_{number % 10}.txt", text.encode())
        for name in OTHER_MEMBERS:
            add(archive, name, b"not a labelled review")
        link = tarfile.TarInfo("aclImdb/train/pos/99_9.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "../../README"
        archive.addfile(link)


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_tables(folder: Path) -> None:
    numbers, names = {"neg": 0, "pos": 1}, {"neg": "negative", "pos": "positive"}
    rows = [(text, numbers[label], "imdb") for text, label in TRAIN]
    other = ("In both splits", 0, "rotten_tomatoes")
    _write(folder / TRAIN_TABLE.name, ("text", "label", "source"), [other, *rows, other])
    rows = [(text, names[label]) for text, label in sorted(TRAIN + TEST, reverse=True)]
    _write(folder / WHOLE_TABLE.name, ("review", "sentiment"), rows)


def _write(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])


def describe(path: Path) -> File:
    return File(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
