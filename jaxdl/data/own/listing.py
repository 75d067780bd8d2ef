"""Lists the examples in FOLDER/CLASS/... or FOLDER/SPLIT/CLASS/..., one folder for each class."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jaxdl.console import note
from jaxdl.data.tracking import tracked
from jaxdl.errors import UserError

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Name of a folder or a table in lower case -> split that it holds."""


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Record:
    """An example that is stored in a file with many others.

    Attributes:
      split: name of its split.
      number: position of the record in the split.
      read_number: ``read_number(number)`` returns the bytes of its picture file, or its text.
    """

    split: str
    number: int
    read_number: Callable[[int], bytes | str]

    def __str__(self) -> str:
        return f"Record {self.number:,} of the {self.split} split"

    def read(self) -> bytes | str:
        """Returns the bytes of its picture file, or its text."""
        return self.read_number(self.number)


Content = Path | str | Record
"""What an example is read from: a file, a text, or a record that holds either."""


@dataclasses.dataclass(frozen=True, eq=False)
class Files(Sequence[Path]):
    """Paths that are kept as strings, which take a tenth of the memory."""

    names: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> Path:
        return Path(self.names[number])


@dataclasses.dataclass(frozen=True)
class FoundExamples:
    """Examples of a split that have been found, but not read.

    Attributes:
      contents: what each example is read from.
      labels: name of the class of each example.
      fingerprint: identifies the contents if they are of type `Record`; else "".
    """

    contents: Sequence[Content]
    labels: list[str]
    fingerprint: str = ""


Listing = dict[str, FoundExamples]
"""Split -> what has been found: "train" and, where they exist, "validation" and "test"."""


def contents_of(listing: Listing) -> Sequence[Content]:
    """Returns the contents of all splits, one after the other."""
    parts = [found.contents for found in listing.values()]
    if all(isinstance(part, Files) for part in parts):
        return Files([name for part in parts for name in part.names])
    return [content for part in parts for content in part]


def list_folder(folder: Path, suffixes: frozenset[str], what: str) -> Listing:
    """Lists the files of a folder with a folder for each class, or such a folder for each split.

    Args:
      folder: ``FOLDER/CLASS/...`` or ``FOLDER/SPLIT/CLASS/...``. Files may lie deeper in the folder
        of a class; hidden ones are passed over.
      suffixes: suffixes of the files to list, in lower case.
      what: what the files are called in messages, in the plural.

    Returns:
      For each split its examples, sorted by their paths; only "train" where there are no splits.

    Raises:
      OSError: a folder cannot be read.
      UserError: there are no classes, a class has no such file, two folders are the same split, or
        all folders are splits and none is for training.
    """
    splits: dict[str, Path] = {}
    for path in folders_in(folder):
        split = SPLIT_NAMES.get(path.name.lower())
        if split in splits:
            raise UserError(f"{splits[split]} and {path} are both for {split}: rename one of them.")
        if split:
            splits[split] = path
    if "train" not in splits and len(splits) == len(folders_in(folder)) > 0:
        found = ", ".join(path.name for path in splits.values())
        raise UserError(f"{folder} has {found}, but no folder train: add it.")
    is_split = len(splits) == len(folders_in(folder)) > 0
    if is_split and not folders_in(splits["train"]):
        raise UserError(f"{splits['train']} has no folders: make one for each class.")
    if "train" not in splits or not folders_in(splits["train"]):
        splits = {"train": folder}
    others = [path.name for path in folders_in(folder) if path not in splits.values()]
    if others and splits["train"] != folder:
        note(f"Folders in {folder} that are no splits are left out: {', '.join(others)}.")
    if "test" in splits and not folders_in(splits["test"]):
        note(f"{splits['test']} is left out, since it has no folders of classes.")
        del splits["test"]
    return {split: _list_classes(path, suffixes, what) for split, path in splits.items()}


def folders_in(folder: Path) -> list[Path]:
    """Returns the folders in a folder that are not hidden, sorted."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_visible(path.name))


def _list_classes(folder: Path, suffixes: frozenset[str], what: str) -> FoundExamples:
    names: list[str] = []
    labels: list[str] = []
    classes = folders_in(folder)
    if not classes:
        raise UserError(f"{folder} has no folders: make one for each class, with its {what} in it.")
    others: Counter[str] = Counter()
    for path in tracked(classes, f"listing {folder}"):
        all_files = list(_walk(path))
        files = sorted(name for name in all_files if _suffix(name) in suffixes)
        others.update(_suffix(name) for name in all_files if _suffix(name) not in suffixes)
        if not files:
            known = ", ".join(sorted(suffixes))
            raise UserError(f"The class {path} has no {what} ({known}): add some, or remove it.")
        if not _is_utf8(path.name):
            raise UserError(f"The name of the class {path} is not UTF-8: rename its folder.")
        names += files
        labels += [path.name] * len(files)
    if others:
        kinds = ", ".join(suffix or "without a suffix" for suffix, _ in others.most_common(5))
        note(f"Files in {folder} that are no {what} are passed over: {others.total():,} ({kinds}).")
    return FoundExamples(Files(names), labels)


def _walk(folder: Path) -> Iterator[str]:
    """Yields the visible files of a folder and of all visible folders below it.

    Each folder is visited once, however many links lead to it. Links that lead to a folder above
    are not followed; if ``folder`` is itself a link, neither are those to one above its target.
    """

    def fail(error: OSError) -> None:
        raise error

    above = {*folder.absolute().parents, *folder.resolve().parents}
    seen = set(map(_identity, above))
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        identity = _identity(Path(place))
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = filter(_is_visible, folders)
        yield from (os.path.join(place, name) for name in filter(_is_visible, files))  # noqa: PTH118


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _is_visible(name: str) -> bool:
    return not name.startswith((".", "__MACOSX"))


def _is_utf8(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name
