"""A cache of decoded splits, as .npy files, so that only the first start takes long."""

import contextlib
import dataclasses
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdl.console import note
from jaxdl.data.folders import making, swap_in
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
      remarks: what the user should know about the examples, one line each.
    """

    splits: dict[str, dict[str, np.ndarray]]
    class_names: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def read_or_make(folder: Path, fingerprint: str, make: Callable[[], Decoded]) -> Decoded:
    """Reads the arrays from a folder; makes and caches them there if they are absent or unusable.

    Only one process at a time makes them; see `keep`.

    Args:
      folder: the folder of the arrays.
      fingerprint: identifies everything that the arrays depend on.
      make: returns the arrays.
    """
    made = read(folder, fingerprint)
    if made is not None:
        return made
    with contextlib.ExitStack() as held:
        try:
            temporary = held.enter_context(making(folder))
        except OSError as error:
            note_not_kept(folder, reason_of(error))
            return make()
        made = read(folder, fingerprint)  # another process may have made them in the meantime
        if made is None:
            made = make()
            keep(made, fingerprint, folder, temporary)
        return made


def keep(made: Decoded, fingerprint: str, folder: Path, temporary: Path) -> None:
    """Caches the arrays in a folder, which appears complete or not at all.

    Prints a note if this replaces an unusable folder, or if the folder cannot be written.

    Args:
      made: the arrays.
      fingerprint: identifies what they were made from.
      folder: the folder of the arrays.
      temporary: a folder on the same disk.
    """
    unusable = folder.exists()
    try:
        unfinished = temporary / folder.name
        unfinished.mkdir()
        write(made, fingerprint, unfinished)
        swap_in(unfinished, folder, temporary)
    except OSError as error:  # the directory is read-only, or the disk is full
        note_not_kept(folder, reason_of(error))
    else:
        if unusable:
            note(f"{folder} was damaged or out of date and has been made again.")


def note_not_kept(folder: Path, reason: str) -> None:
    """Says that arrays cannot be cached in a folder."""
    note(f"{folder} cannot be written ({reason}): the next start takes as long.")


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
            described.setdefault(split, {})[feature] = checksum(array)
    manifest = {"fingerprint": fingerprint, "class_names": decoded.class_names, "splits": described}
    if decoded.remarks:
        manifest["remarks"] = decoded.remarks
    manifest |= {"crc32": _crc32(manifest)}
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
        if manifest.pop("crc32") != _crc32(manifest) or manifest["fingerprint"] != fingerprint:
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
        return Decoded(splits, tuple(manifest["class_names"]), tuple(manifest.get("remarks", ())))
    except Exception:  # numpy raises errors of many kinds for a damaged header
        return None


def checksum(array: np.ndarray) -> str:
    """Returns the dtype, the shape and the CRC-32 of the bytes of an array of numbers."""
    array = np.ascontiguousarray(array)
    return f"{array.dtype} {array.shape} {zlib.crc32(array.view(np.uint8)):08x}"


def _read_array(path: Path, expected: str) -> np.ndarray:
    array = np.load(path, allow_pickle=False)
    if checksum(array) != expected:
        raise ValueError(f"{path} is not the array that was written")
    return array


def _crc32(manifest: dict) -> int:
    return zlib.crc32(json.dumps(manifest).encode())


def _file_name(split: str, feature: str) -> str:
    return f"{split}-{feature}.npy"
