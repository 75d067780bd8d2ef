"""Decoded splits, cached as .npy files, so that a second start is quick."""

import dataclasses
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np

from jaxdl.data.client import empty_folder
from jaxdl.data.texts import pack, unpack

MANIFEST = "arrays.json"


@dataclasses.dataclass(frozen=True)
class Decoded:
    """All the examples of a data set.

    Attributes:
      splits: split name -> feature name -> array with the examples in its first axis; of numbers,
        or of str with the dtype object.
      class_names: of the labels 0, 1, ...
    """

    splits: dict[str, dict[str, np.ndarray]]
    class_names: tuple[str, ...]


def read_or_make(folder: Path, fingerprint: str, make: Callable[[Path], Decoded]) -> Decoded:
    """Reads the arrays of a folder, or makes them, one process at a time, whole or not at all.

    Args:
      folder: where the arrays are, or go; its parents are made if need be.
      fingerprint: of all that the arrays depend on.
      make: ``make(unfinished)`` gives the arrays; it may put more files into that folder, which
        takes the place of ``folder`` once the arrays are in it too.
    """
    cached = read(folder, fingerprint)
    if cached is not None:
        return cached
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{folder.name}.lock")):
        cached = read(folder, fingerprint)  # another process may have made it meanwhile
        if cached is None:
            with empty_folder(folder.with_name(f"{folder.name}.temporary")) as temporary:
                unfinished = temporary / folder.name
                unfinished.mkdir()
                cached = make(unfinished)
                write(cached, fingerprint, unfinished)
                shutil.rmtree(folder, ignore_errors=True)
                unfinished.rename(folder)
    return cached


def write(decoded: Decoded, fingerprint: str, folder: Path) -> None:
    """Writes the arrays, and a manifest that says what they are, into the empty ``folder``.

    Args:
      decoded: what to write.
      fingerprint: of the records that the arrays were decoded from.
      folder: an existing folder.
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
      folder: where the arrays may be.
      fingerprint: of the records as they are now.

    Returns:
      The arrays, or None if they are absent, damaged, or decoded from other records.
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
