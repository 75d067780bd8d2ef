"""A cache of decoded splits, as .npy files, so that only the first start takes long."""

import dataclasses
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdl.console import note
from jaxdl.data.folders import exclusive
from jaxdl.data.texts import pack, unpack
from jaxdl.errors import reason_of

MANIFEST = "arrays.json"


@dataclasses.dataclass(frozen=True)
class Decoded:
    """All the examples of a data set.

    Attributes:
      splits: split name -> feature name -> array with the examples along its first axis; its
        elements are numbers, or str with the dtype object.
      class_names: names of the labels 0, 1, ...
    """

    splits: dict[str, dict[str, np.ndarray]]
    class_names: tuple[str, ...]


def read_or_make(folder: Path, fingerprint: str, make: Callable[[], Decoded]) -> Decoded:
    """Reads the arrays from a folder; makes and caches them there if they are not there yet.

    Only one process at a time makes them, and the folder appears complete or not at all. If it
    cannot be written, a remark says so.

    Args:
      folder: the folder of the arrays.
      fingerprint: identifies everything that the arrays depend on.
      make: returns the arrays.
    """
    made = read(folder, fingerprint)
    if made is not None:
        return made
    try:
        with exclusive(folder) as temporary:
            made = read(folder, fingerprint)  # another process may have made them in the meantime
            if made is None:
                made = make()
                unfinished = temporary / folder.name
                unfinished.mkdir()
                write(made, fingerprint, unfinished)
                shutil.rmtree(folder, ignore_errors=True)
                unfinished.rename(folder)
    except OSError as error:  # of a directory that is read-only, or a disk that is full
        note(f"{folder} cannot be written ({reason_of(error)}): the next start takes as long.")
    return make() if made is None else made


def write(decoded: Decoded, fingerprint: str, folder: Path) -> None:
    """Writes the arrays, and a manifest that describes them.

    Args:
      decoded: the arrays.
      fingerprint: identifies what they were made from.
      folder: an existing, empty folder.
    """
    described = {}
    for split, features in decoded.splits.items():
        for feature, array in pack(features).items():
            np.save(folder / _file_name(split, feature), array, allow_pickle=False)
            described.setdefault(split, {})[feature] = _describe(array)
    manifest = {
        "fingerprint": fingerprint,
        "class_names": decoded.class_names,
        "splits": described,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def read(folder: Path, fingerprint: str) -> Decoded | None:
    """Reads what `write` wrote.

    Args:
      folder: a folder, which need not exist.
      fingerprint: identifies what the arrays would be made from now.

    Returns:
      The arrays, or None if they are absent, damaged, or were made from something else.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["fingerprint"] != fingerprint:
            return None
        splits = {
            split: unpack(
                {
                    feature: _read_array(folder / _file_name(split, feature), description)
                    for feature, description in features.items()
                }
            )
            for split, features in manifest["splits"].items()
        }
        return Decoded(splits, tuple(manifest["class_names"]))
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return None


def _read_array(path: Path, description: dict) -> np.ndarray:
    array = np.load(path, allow_pickle=False)
    if _describe(array) != description:
        raise ValueError(f"{path} is not the array that was written")
    return array


def _describe(array: np.ndarray) -> dict:
    crc32 = zlib.crc32(np.ascontiguousarray(array).data)
    return {"shape": list(array.shape), "dtype": str(array.dtype), "crc32": crc32}


def _file_name(split: str, feature: str) -> str:
    return f"{split}-{feature}.npy"
