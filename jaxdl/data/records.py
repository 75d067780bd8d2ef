"""Prepares and decodes records by means of tensorflow-datasets, but without TensorFlow."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.arrays import Decoded
from jaxdl.data.tracking import tracked
from jaxdl.errors import UserError, one_line

FILE_FORMAT = "array_record"
INFORMATION = "dataset_info.json"
EXAMPLES_AT_ONCE = 500
NAMES_OF_CLASSES = ("pythonClassName", "python_class_name", "type")
CLASSES = "tensorflow_datasets.core.features."
NESTED_JSON = {"jsonFeature", "json_feature"}
FEATURES = ("image", "text", "label")  # records that tensorflow-datasets prepared may have more


class DamagedRecordsError(UserError):
    """Records cannot be read, or are not what their dataset_info.json says."""


def fingerprint(folder: Path, formats: Sequence[str] = (FILE_FORMAT,)) -> str | None:
    """Identifies prepared records, without tensorflow-datasets.

    Args:
      folder: a version folder in the layout of tensorflow-datasets.
      formats: file formats of records that the caller can read.

    Returns:
      A digest of the information file and of the names and sizes of all files in the folder, or
      None if the folder has no prepared records.

    Raises:
      UserError: the records are in another format.
    """
    path = folder / INFORMATION
    if not path.exists():
        return None
    information = path.read_bytes()
    _check_file_format(folder, information, formats)
    sizes = sorted((file.name, file.stat().st_size) for file in folder.iterdir() if file.is_file())
    return hashlib.sha256(information + json.dumps(sizes).encode()).hexdigest()


def _check_file_format(folder: Path, information: bytes, formats: Sequence[str]) -> None:
    try:
        file_format = json.loads(information).get("fileFormat", "tfrecord")
    except (ValueError, AttributeError):
        return  # it is damaged, which `decode` will report
    if file_format not in formats:
        raise UserError(
            f"{folder} has records in the format {file_format}, which needs TensorFlow; "
            f"jaxdl reads {' and '.join(formats)}. Choose another --data-dir."
        )


def prepare(builder_class: Any, archives: Path, temporary: Path) -> Path:
    """Prepares records by running a builder.

    Args:
      builder_class: a subclass of ``tfds.core.GeneratorBasedBuilder``.
      archives: the folder of its source files.
      temporary: the folder to work in.

    Returns:
      The version folder, which is inside ``temporary``.

    Raises:
      UserError: a source file is damaged, or is not the published one.
    """
    import tensorflow_datasets as tfds

    with quiet():
        builder = builder_class(data_dir=temporary, file_format=FILE_FORMAT)
        configuration = tfds.download.DownloadConfig(manual_dir=archives, try_download_gcs=False)
        builder.download_and_prepare(
            download_dir=temporary / "downloads", download_config=configuration
        )
        return Path(builder.data_dir)


def decode(folder: Path, name: str) -> Decoded:
    """Decodes all splits of prepared records.

    Args:
      folder: a version folder, prepared by `prepare` or by tensorflow-datasets itself.
      name: name of the data set, for messages.

    Returns:
      The features with the dtypes that they have in the records, except that labels are int32
      and texts are str.

    Raises:
      DamagedRecordsError: the records cannot be read completely.
    """
    import tensorflow_datasets as tfds

    try:
        check_classes(folder)
        with quiet():
            builder = tfds.builder_from_directory(folder)
            splits = {
                split: _decode_split(builder, split, f"{name}: decoding {split}")
                for split in ("train", "test")  # others, as of texts without labels, are left out
            }
            class_names = tuple(builder.info.features["label"].names)
            if max(split["label"].max() for split in splits.values()) >= len(class_names):
                raise ValueError(f"there are labels beyond the {len(class_names)} class names")
            return Decoded(splits, class_names)
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # tfds, array_record, protobuf and Pillow each have their own errors
        reason = one_line(str(error))
        raise DamagedRecordsError(
            f"{name}: the records in {folder} are damaged ({type(error).__name__}: {reason}). "
            "Delete that folder to prepare them again."
        ) from error


def check_classes(folder: Path) -> None:
    """Raises ValueError for features of other packages, which tensorflow-datasets would import."""

    def check(value: dict[str, Any]) -> None:
        for name in NAMES_OF_CLASSES:
            if isinstance(value.get(name), str) and not value[name].startswith(CLASSES):
                raise ValueError(f"the feature {value[name]} is not of tensorflow-datasets")
        if value.keys() & NESTED_JSON:
            raise ValueError("a feature is described in an old format")

    json.loads((folder / "features.json").read_text(), object_hook=check)


def _decode_split(builder: Any, split: str, description: str) -> dict[str, np.ndarray]:
    source = builder.as_data_source(split)
    count = builder.info.splits[split].num_examples
    if len(source) != count:
        raise ValueError(f"{split} has {len(source)} examples instead of {count}")
    arrays = {
        feature: np.empty((count, *info.shape), _compact(info.np_dtype))
        for feature, info in sorted(builder.info.features.items())
        if feature in FEATURES
    }
    for start in tracked(range(0, count, EXAMPLES_AT_ONCE), description):
        stop = min(start + EXAMPLES_AT_ONCE, count)
        examples = source.__getitems__(range(start, stop))
        for feature, array in arrays.items():
            values = [example[feature] for example in examples]
            is_text = array.dtype == object
            array[start:stop] = [text.decode() for text in values] if is_text else np.stack(values)
    return arrays


def _compact(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.int32) if dtype == np.int64 else np.dtype(dtype)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the progress bars and the log lines of tensorflow-datasets off the screen."""
    import tensorflow_datasets as tfds

    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        yield
    finally:
        tfds.enable_progress_bar()
        logger.setLevel(level)
