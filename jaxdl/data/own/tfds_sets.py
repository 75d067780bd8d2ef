"""Data sets of images or texts with one label each that tensorflow-datasets has prepared."""

import importlib.util
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from jaxdl.console import note
from jaxdl.data import arrays, records
from jaxdl.data.folders import folder_name
from jaxdl.data.own.listing import FoundExamples, Listing, Record
from jaxdl.data.tracking import tracked
from jaxdl.errors import UsageError, UserError, reason_of

NAME = re.compile(r"([a-z][a-z0-9_]*)(?:[:/]([\w.+-]+))?")
VERSION = re.compile(r"\d+\.\d+\.\d+")
SPLITS = ("train", "validation", "test")
LABELS = "labels"
"""Folder of the data directory in which labels are kept, so that records are read once."""
KINDS = {"image": "Image", "text": "Text"}
TFRECORD_HEADER, TFRECORD_FOOTER = 12, 4
"""Bytes before a record (its length and a checksum) and after it (a checksum)."""


def list_prepared(name: str, data_dir: Path, feature: str) -> Listing:
    """Lists the examples of a data set that tensorflow-datasets has prepared, or can prepare.

    Args:
      name: NAME, like "oxford_flowers102", or NAME:CONFIG.
      data_dir: the data directory, in the layout of tensorflow-datasets.
      feature: "image" or "text", what the examples should have.

    Returns:
      Its splits "train", "validation" and "test", as far as they have labels.

    Raises:
      UsageError: the name is malformed or lacks a configuration, or the data set has no training
        split or no such feature with a label.
      UserError: the data set is not prepared and cannot be, or its records are damaged.
    """
    match = NAME.fullmatch(name)
    if not match:
        raise UsageError(f"--dataset is tfds:{name}, but must look like tfds:NAME[:CONFIG].")
    folder = _find_version(data_dir / match[1], match[2]) or _prepare(*match.groups(), data_dir)
    fingerprint = records.fingerprint(folder, formats=("array_record", "tfrecord"))
    try:
        return _list_splits(name, folder, feature, fingerprint, data_dir)
    except (MemoryError, UserError):
        raise
    except Exception as error:  # tfds, array_record and protobuf each have their own errors
        raise UserError(f"tfds:{name}: {folder} is damaged ({reason_of(error)}).") from error


def _find_version(folder: Path, config: str | None) -> Path | None:
    """Returns the folder of the newest version of a data set or of its configuration, if any."""
    found = [*folder.glob(f"{config or '*'}/*/{records.INFORMATION}")]
    if config is None:
        found += folder.glob(f"*/{records.INFORMATION}")
    versions = [path.parent for path in found if VERSION.fullmatch(path.parent.name)]
    configs = sorted({path.parent.name for path in versions if path.parent != folder})
    if len(configs) > 1:
        raise UsageError(
            f"tfds:{folder.name} has several configurations: add :{' or :'.join(configs)}."
        )
    return max(versions, key=lambda path: [*map(int, path.name.split("."))], default=None)


def _prepare(name: str, config: str | None, data_dir: Path) -> Path:
    full_name = f"{name}/{config}" if config else name
    if not importlib.util.find_spec("tensorflow"):
        raise UserError(
            f"tfds:{name} is not in {data_dir}, and preparing it needs TensorFlow. "
            "Give the --data-dir that has it; or where TensorFlow is installed, run: tfds build "
            f"{full_name} --file_format array_record --data_dir {data_dir}"
        )
    import tensorflow_datasets as tfds

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        builder = tfds.builder(full_name, data_dir=data_dir, file_format=records.FILE_FORMAT)
        lock = data_dir / f"{folder_name(full_name)}.lock"
        with filelock.FileLock(lock):  # one process at a time
            builder.download_and_prepare()  # which does nothing if another has done it
    except Exception as error:
        raise UserError(f"tfds:{name} cannot be prepared: {reason_of(error)}.") from error
    return Path(builder.data_dir)


def _list_splits(
    name: str, folder: Path, feature: str, fingerprint: str, data_dir: Path
) -> Listing:
    import tensorflow_datasets as tfds

    records.check_classes(folder)
    with records.quiet():
        info = tfds.builder_from_directory(folder).info
    key, label = _choose_features(name, info, feature)
    class_names = info.features[label].names
    features = tfds.features.FeaturesDict({name: info.features[name] for name in (key, label)})
    decoders = {key: tfds.decode.SkipDecoding()} if feature == "image" else None
    deserialize = partial(features.deserialize_example_np, decoders=decoders)
    sources = {split: _open(info, split) for split in SPLITS if split in info.splits}

    def read_labels() -> arrays.Decoded:
        return arrays.Decoded(
            {
                split: {"label": _read_labels(info, split, source, deserialize, label)}
                for split, source in sources.items()
            },
            tuple(class_names),
        )

    kept = data_dir / LABELS / re.sub(r"[^\w.-]", "-", f"{name}-{label}")
    labels = arrays.read_or_make(kept, fingerprint, read_labels).splits
    listing = {}
    for split, source in sources.items():
        numbers = labels[split]["label"]
        if numbers.min(initial=0) < 0:
            note(f"The {split} split of tfds:{name} is left out, since it lacks labels.")
            continue
        read = partial(_read, source, deserialize, key)
        contents = [Record(split, number, read) for number in range(len(source))]
        names = [class_names[number] for number in numbers]
        listing[split] = FoundExamples(contents, names, fingerprint)
    if "train" not in listing:
        raise UsageError(f"tfds:{name} has no split train, but {', '.join(info.splits)}.")
    return listing


def _read_labels(
    info: Any, split: str, source: Any, deserialize: Callable[[bytes], Any], label: str
) -> np.ndarray:
    """Reads the labels of all records of a split, int32 (examples,)."""
    if len(source) != info.splits[split].num_examples:
        raise ValueError(f"{split} has {len(source)} records")
    numbers = tracked(range(len(source)), f"listing the {split} split")
    return np.array([deserialize(source[number])[label] for number in numbers], np.int32)


def _choose_features(name: str, info: Any, feature: str) -> tuple[str, str]:
    """Returns the names of the example's feature and of its label."""
    kinds = {key: type(value).__name__ for key, value in info.features.items()}
    found = [key for key, kind in kinds.items() if kind == KINDS[feature]]
    labels = [key for key, kind in kinds.items() if kind == "ClassLabel"]
    keys = info.supervised_keys
    if keys and keys[0] in found and keys[1] in labels:
        return keys[0], keys[1]
    if len(found) != 1 or len(labels) != 1:
        raise UsageError(
            f"tfds:{name} is no classification of {feature}s: its features are {', '.join(kinds)}."
        )
    return found[0], labels[0]


def _open(info: Any, split: str) -> Any:
    """Opens the records of a split, as a sequence of bytes."""
    paths = [str(path) for path in info.splits[split].filepaths]
    if info.file_format.value == records.FILE_FORMAT:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        return ArrayRecordDataSource(paths)
    return TFRecords([Path(path) for path in paths])


def _read(source: Any, deserialize: Callable[[bytes], Any], key: str, number: int) -> bytes:
    return deserialize(source[number])[key]


class TFRecords:
    """The records of files in the TFRecord format, which are found once and read one by one.

    Each is preceded by its length, uint64, and the checksum of that, and followed by a checksum
    (https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format"). Neither checksum
    is verified.
    """

    def __init__(self, paths: list[Path]):
        """Finds where the records are; raises ValueError if a file ends within one."""
        self._places: list[tuple[Path, int, int]] = []
        for path in paths:
            size, start = path.stat().st_size, 0
            with path.open("rb") as file:
                while start < size:
                    file.seek(start)
                    header = file.read(8)
                    length = struct.unpack("<Q", header)[0] if len(header) == 8 else size
                    end = start + TFRECORD_HEADER + length + TFRECORD_FOOTER
                    if end > size:
                        raise ValueError(f"{path.name} ends within a record")
                    self._places.append((path, start + TFRECORD_HEADER, length))
                    start = end

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> bytes:
        path, start, length = self._places[number]
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)
