"""Loading a data set as arrays."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from jaxdl.data.catalog import CATALOG
from jaxdl.data.preparation import decoded
from jaxdl.errors import UsageError

DEFAULT_DATA_DIR = Path(os.environ.get("TFDS_DATA_DIR") or "~/.cache/jaxdl/datasets").expanduser()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The examples of a data set.

    Attributes:
      name: of the data set.
      train: feature name -> array; for images ``image`` uint8 (examples, height, width,
        channels) in 0..255, for texts ``text`` object (examples,) of str, and ``label`` int32
        (examples,).
      validation: the same, for the choice of models and epochs.
      test: the same, for the final score only.
      class_names: what the labels 0, 1, ... mean.
    """

    name: str
    train: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    class_names: tuple[str, ...]


def load(name: str, data_dir: Path, validation_fraction: float = 0.2) -> Dataset:
    """Loads a data set; the first time it is fetched and prepared, which takes some seconds.

    Args:
      name: one of `IMAGE_DATASETS` or `TEXT_DATASETS`.
      data_dir: where data sets are kept, laid out as tensorflow-datasets does.
      validation_fraction: in [0, 1): how much of the training split, from its end, becomes the
        validation split, as with Keras' ``validation_split``.

    Raises:
      UsageError: unknown name, or a fraction out of range.
      UserError: the data cannot be had, or ``data_dir`` cannot be used.
    """
    if name not in CATALOG:
        raise UsageError(f"unknown data set {name!r}: choose one of {', '.join(CATALOG)}")
    if not 0 <= validation_fraction < 1:
        raise UsageError(f"the validation fraction is {validation_fraction}: give one in [0, 1)")
    everything = decoded(name, Path(data_dir).expanduser())
    train, validation = split_off_end(everything.splits["train"], validation_fraction)
    class_names = CATALOG[name].class_names or everything.class_names
    return Dataset(name, train, validation, everything.splits["test"], class_names)


def split_off_end(
    examples: dict[str, np.ndarray], fraction: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Splits examples in two, in their order.

    Args:
      examples: arrays of the same length.
      fraction: of the examples that go into the second part, rounded up as Keras does.

    Returns:
      First part and second part, as views of the arrays.
    """
    (count,) = {len(array) for array in examples.values()}
    kept = int(count * (1 - fraction))
    return (
        {feature: array[:kept] for feature, array in examples.items()},
        {feature: array[kept:] for feature, array in examples.items()},
    )
