"""Loads the user's own pictures and texts, and caches what was read in the data directory."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.console import note
from jaxdl.data import arrays
from jaxdl.data.dataset import Dataset
from jaxdl.data.folders import folder_name
from jaxdl.data.own.finding import find_examples
from jaxdl.data.own.lazy import LazyImages
from jaxdl.data.own.listing import Content, Files, Listing, contents_of
from jaxdl.data.own.reading import Remark, read_pictures, read_texts
from jaxdl.data.own.splitting import NumberedExamples, divide, sort_classes
from jaxdl.files import expand_home

FOLDER = "own"
READER = 3
"""Version of how pictures and texts are read; to be increased when that gives other arrays."""

Features = dict[str, np.ndarray]
ReadResult = tuple[Features, np.ndarray, np.ndarray]
ReadAll = Callable[[Sequence[Content], Remark], ReadResult]


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """How the user's own examples are read.

    Attributes:
      label_column: column of the labels, as in `find_examples`.
      skip_broken: whether files that cannot be read are left out.
      text_column: column of the texts, as in `find_examples`.
      side: side of the images in pixels.
      stream: whether pictures stay in their files until they are needed.
    """

    label_column: str = ""
    skip_broken: bool = False
    text_column: str = ""
    side: int = 32
    stream: bool = False


def load_own_images(
    name: str,
    data_dir: Path,
    validation_fraction: float,
    options: ReadOptions,
    most_bytes: float = math.inf,
) -> Dataset:
    """Loads pictures that are not in the catalog.

    Args:
      name: a folder or a table of pictures, or tfds:NAME, or hf:OWNER/NAME.
      data_dir: the data directory; what was read is cached in its folder ``own``.
      validation_fraction: fraction of each class of the training split that becomes the validation
        split; ignored if the data set has both a validation and a test split.
      options: how they are read. Pictures that are streamed are read once to verify them.
      most_bytes: if the images would take more memory, they are streamed in any case.

    Raises:
      UsageError: there is no such data set.
      UserError: it cannot be read, or has too few classes or examples to learn from.
    """
    listing = find_examples(name, "image", data_dir, options.label_column)
    contents, side = contents_of(listing), options.side
    if not options.stream and len(contents) * side**2 * 3 > most_bytes:
        note(f"{name} is streamed from its files, since its images would fill the memory.")
        options = dataclasses.replace(options, stream=True)

    def read(contents: Sequence[Content], remark: Remark) -> ReadResult:
        # An image of one pixel is enough to verify a picture.
        how = 1 if options.stream else side, options.skip_broken, remark
        images, digests, is_readable = read_pictures(contents, *how)
        kept = {"number": np.arange(len(contents))} if options.stream else {"image": images}
        return {"digest": digests, **kept}, digests, is_readable

    # Pictures that are streamed are verified once, whatever the side of their images.
    key = dataclasses.replace(options, side=0) if options.stream else options
    decoded, short_name = _read_or_load(name, "image", listing, read, data_dir, key)
    splits = _with_validation(decoded.splits, validation_fraction)
    loaded: dict[str, dict[str, Any]] = {}
    checksums = {}
    for split, features in splits.items():
        checksum = f"{side} pixels, reader {READER}, of {arrays.checksum(features['digest'])}"
        checksums[split] = {"image": checksum}
        images = features.get("image")
        if images is None:
            images = LazyImages(contents, features["number"], side, checksum)
        loaded[split] = {"image": images, "label": features["label"]}
    return Dataset(short_name, **loaded, class_names=decoded.class_names, checksums=checksums)


def load_own_texts(
    name: str, data_dir: Path, validation_fraction: float, options: ReadOptions
) -> Dataset:
    """Loads texts that are not in the catalog; see `load_own_images`."""
    columns = (options.label_column, options.text_column)
    listing = find_examples(name, "text", data_dir, *columns)

    def read(contents: Sequence[Content], remark: Remark) -> ReadResult:
        texts, digests, is_readable = read_texts(contents, options.skip_broken, remark)
        return {"text": texts}, digests, is_readable

    key = dataclasses.replace(options, side=0, stream=False)  # which concern pictures only
    decoded, short_name = _read_or_load(name, "text", listing, read, data_dir, key)
    splits = _with_validation(decoded.splits, validation_fraction)
    return Dataset(short_name, **splits, class_names=decoded.class_names)


def _read_or_load(
    name: str, feature: str, listing: Listing, read_all: ReadAll, data_dir: Path, key: ReadOptions
) -> tuple[arrays.Decoded, str]:
    """Reads examples, or loads what a call with the same key cached; also returns a short name."""
    root = expand_home(name).resolve()
    origin, short_name = (str(root), root.name) if root.exists() else (name, name)
    cache_key = _digest([READER, origin, feature, dataclasses.astuple(key)])[:16]

    def make() -> arrays.Decoded:
        remarks: list[str] = []
        features, digests, is_readable = read_all(contents_of(listing), remarks.append)
        splits, class_names = _examples_of(listing, digests, is_readable)
        divided = divide(short_name, splits, class_names, remarks.append)
        return arrays.Decoded(
            {
                split: {name: array[examples.numbers] for name, array in features.items()}
                | {"label": examples.labels}
                for split, examples in divided.items()
            },
            class_names,
            tuple(remarks),
        )

    folder = expand_home(data_dir) / FOLDER / f"{folder_name(short_name)}-{cache_key}"
    fingerprint = _digest(_describe(listing))
    decoded = arrays.read_or_make(folder, fingerprint, make)
    for remark in decoded.remarks:
        note(remark)
    return decoded, short_name


def _examples_of(
    listing: Listing, digests: np.ndarray, is_readable: np.ndarray
) -> tuple[dict[str, NumberedExamples], tuple[str, ...]]:
    """Returns the examples of each split that could be read, and the names of their classes."""
    names = [label for found in listing.values() for label in found.labels]
    present = {name for name, readable in zip(names, is_readable, strict=True) if readable}
    class_names = sort_classes(present)
    numbers_of = {class_name: number for number, class_name in enumerate(class_names)}
    labels = np.array([numbers_of.get(name, -1) for name in names], np.int32)
    splits, start = {}, 0
    for split, found in listing.items():
        numbers = np.arange(start, start + len(found.labels))
        start += len(numbers)
        numbers = numbers[is_readable[numbers]]
        splits[split] = NumberedExamples(numbers, labels[numbers], digests[numbers])
    return splits, tuple(class_names)


def _with_validation(splits: dict[str, Features], fraction: float) -> dict[str, Features]:
    """Returns the splits; if none is for validation, splits off a part of each training class."""
    if "validation" in splits:
        return splits
    train, validation = split_off_of_each_class(splits["train"], fraction)
    return {"train": train, "validation": validation, "test": splits["test"]}


def split_off_of_each_class(examples: Features, fraction: float) -> tuple[Features, Features]:
    """Splits off the last examples of each class, but never all.

    Args:
      examples: feature name -> array (examples, ...), one of them "label".
      fraction: fraction of each class in the second part, rounded up.
    """
    labels = examples["label"]
    is_off = np.zeros(len(labels), bool)
    ends = np.cumsum(np.bincount(labels))
    for group in np.split(np.argsort(labels, kind="stable"), ends[:-1]):  # of each class
        is_off[group[max(1, int(len(group) * (1 - fraction))) :]] = True
    return (
        {feature: array[~is_off] for feature, array in examples.items()},
        {feature: array[is_off] for feature, array in examples.items()},
    )


def _describe(listing: Listing) -> Iterator[object]:
    """Yields what identifies the examples; for files: their paths, sizes and modification times."""
    for split, found in listing.items():
        yield split, found.labels, found.fingerprint
        if isinstance(found.contents, Files):
            for file in found.contents:
                yield str(file.absolute()), _status(file)
        elif not found.fingerprint:
            yield from found.contents


def _status(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # such as a missing file that a table names: reading it will fail, too
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _digest(values: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(json.dumps(value).encode())
    return digest.hexdigest()
