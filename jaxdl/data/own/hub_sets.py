"""Data sets from the Hugging Face Hub, of images or texts with one label each."""

import functools
import re
from functools import partial
from pathlib import Path
from typing import Any

from jaxdl.console import note
from jaxdl.data.own import tables
from jaxdl.data.own.listing import SPLIT_NAMES, FoundExamples, Listing, Record
from jaxdl.data.pictures import require_regular
from jaxdl.errors import BrokenFileError, UsageError, UserError, reason_of

NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")

SAFE_VERSION = 4
"""First major version of the library that runs no loading scripts."""


def list_hub_set(name: str, feature: str, text_column: str, label_column: str) -> Listing:
    """Lists the examples of a data set with the datasets library, from its cache or the Hub.

    Args:
      name: OWNER/NAME, or OWNER/NAME:CONFIG.
      feature: "image" or "text", what the examples should have.
      text_column: column of the texts; "" to find it by its name.
      label_column: column of the labels; "" to find it by its type or name.

    Raises:
      UsageError: the library is absent or too old, the name is not valid or is also that of a
        folder, or there is not exactly one column of images.
      UserError: the data set cannot be loaded, or has no labels for training or no such column.
    """
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            '--dataset hf:NAME needs the datasets library: pip install -e ".[hub]"'
        ) from error
    if int(datasets.__version__.split(".")[0]) < SAFE_VERSION:
        raise UsageError(
            f"datasets {datasets.__version__} may run programs that come with a data set: "
            'pip install -e ".[hub]" installs a version that does not.'
        )
    path, _, config = name.partition(":")
    if not NAME.fullmatch(path):
        raise UsageError(f"--dataset hf:{name} must look like hf:OWNER/NAME[:CONFIG].")
    if Path(path).exists():  # which the library would read in its place
        raise UsageError(
            f"hf:{name} is ambiguous, since there is a folder {path} here: give ./{path} for the "
            "folder, or run in another directory."
        )
    try:
        splits = datasets.load_dataset(path, config or None)
    except Exception as error:  # the library raises errors of many kinds
        raise UserError(f"hf:{name} cannot be loaded: {reason_of(error)}.") from error
    listing = {}
    for split, examples in splits.items():
        ours = SPLIT_NAMES.get(split.lower())
        if ours in listing:
            raise UserError(
                f"hf:{name} has several splits for {ours}: {', '.join(splits)}; download it, and "
                "give a folder or tables of those that you want."
            )
        try:
            if ours:
                of_split = f"The {split} split of hf:{name}"
                listing[ours] = _list_split(
                    of_split, split, examples, feature, text_column, label_column
                )
            else:
                note(f"The {split} split of hf:{name} is left out.")
        except tables.NoLabelsError:
            if ours == "train":
                raise
            note(f"The {split} split of hf:{name} is left out, since it lacks labels.")
    if "train" not in listing:
        raise UserError(f"hf:{name} has no split train, but {', '.join(splits)}.")
    return listing


def _list_split(
    name: str, split: str, examples: Any, feature: str, text_column: str, label_column: str
) -> FoundExamples:
    import datasets

    column = _choose_column(name, examples, feature, text_column)
    label = _choose_label(name, examples, label_column)
    values, class_names = examples[label][:], getattr(examples.features[label], "names", None)
    is_hidden = any if class_names else all
    if values and is_hidden(value in (None, -1) for value in values):
        raise tables.NoLabelsError(f"{name} has examples without labels.")
    values = [class_names[value] for value in values] if class_names else values
    labels = tables.clean_labels(values, name)
    examples = examples.select_columns([column])  # else reading one decodes the others, too
    if feature == "image":
        examples = examples.cast_column(column, datasets.Image(decode=False))
    read = partial(_read, examples, column)
    contents = [Record(split, number, read) for number in range(len(examples))]
    return FoundExamples(contents, labels, examples._fingerprint)


def _choose_column(name: str, examples: Any, feature: str, given: str) -> str:
    names = examples.column_names
    if feature == "text":
        return tables.choose_column(names, given, tables.TEXTS, "--text-column", name)
    images = [key for key, kind in examples.features.items() if type(kind).__name__ == "Image"]
    if len(images) != 1:
        found = f"{len(images)} columns of images" if images else "no column of images"
        raise UsageError(f"{name} has {found}; its columns are {', '.join(names)}.")
    return images[0]


def _choose_label(name: str, examples: Any, given: str) -> str:
    kinds = {key: type(kind).__name__ for key, kind in examples.features.items()}
    found = [key for key, kind in kinds.items() if kind == "ClassLabel"]
    if not given and len(found) == 1:
        return found[0]
    names = examples.column_names
    return tables.choose_column(names, given, tables.LABELS, "--label-column", name)


def _read(examples: Any, column: str, number: int) -> bytes | str:
    value = examples[number][column]
    if not isinstance(value, dict):
        return value
    if value["bytes"]:
        return value["bytes"]
    path = Path(value["path"]).resolve()
    if not any(path.is_relative_to(place) for place in _caches()):
        raise BrokenFileError(f"it names {path}, which is not a file of the data set.")
    require_regular(path)
    return path.read_bytes()


@functools.cache
def _caches() -> list[Path]:
    """Returns the folders in which the library keeps the files of data sets."""
    from datasets.config import HF_DATASETS_CACHE
    from huggingface_hub.constants import HF_HUB_CACHE

    return [Path(place).resolve() for place in (HF_DATASETS_CACHE, HF_HUB_CACHE)]
