"""Loads a data set as arrays."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from jaxdl.data.catalog import CATALOG
from jaxdl.data.preparation import decoded
from jaxdl.errors import UsageError
from jaxdl.files import expand_home

DEFAULT_DATA_DIR = expand_home(
    os.environ.get("TFDS_DATA_DIR") or "~/.cache/jaxdl/datasets"
).absolute()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The examples of a data set.

    Attributes:
      name: name of the data set.
      train: feature name -> array. Images have ``image``, uint8 (examples, height, width,
        channels) in 0..255; texts have ``text``, an object array (examples,) of str; both have
        ``label``, int32 (examples,).
      validation: the same, to choose models and epochs by.
      test: the same, for the final score only.
      class_names: names of the labels 0, 1, ...
      checksums: split -> feature name -> checksum, for features whose checksum is not computed
        from their arrays.
    """

    name: str
    train: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    class_names: tuple[str, ...]
    checksums: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)


def load(name: str, data_dir: Path, validation_fraction: float = 0.2) -> Dataset:
    """Loads a data set. The first call downloads and prepares it, which takes some seconds.

    Args:
      name: one of `IMAGE_DATASETS` or `TEXT_DATASETS`.
      data_dir: the directory of all data sets, with the layout of tensorflow-datasets.
      validation_fraction: the fraction of the training split, in [0, 1), that becomes the
        validation split. It is taken from the end, as by Keras' ``validation_split``.

    Raises:
      UsageError: the name is unknown, or the fraction is out of range.
      UserError: the data cannot be downloaded or read, or ``data_dir`` cannot be used.
    """
    if name not in CATALOG:
        raise UsageError(f"There is no data set {name!r}; choose one of {', '.join(CATALOG)}.")
    if not 0 <= validation_fraction < 1:
        raise UsageError(
            f"The validation fraction is {validation_fraction}, but must be at least 0 and below 1."
        )
    everything = decoded(name, expand_home(data_dir))
    train, validation = split_off_end(everything.splits["train"], validation_fraction)
    class_names = CATALOG[name].class_names or everything.class_names
    return Dataset(name, train, validation, everything.splits["test"], class_names)


def split_off_end(
    examples: dict[str, np.ndarray], fraction: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Splits examples into two parts without changing their order.

    Args:
      examples: feature name -> array (examples, ...).
      fraction: the fraction of the examples in the second part, rounded up as by Keras.

    Returns:
      The first and the second part, as views of the arrays.
    """
    (count,) = {len(array) for array in examples.values()}
    kept = int(count * (1 - fraction))
    return (
        {feature: array[:kept] for feature, array in examples.items()},
        {feature: array[kept:] for feature, array in examples.items()},
    )
