"""Where the files of a data set come from: the data directory, the official address, a mirror."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Protocol

from jaxdl.console import note
from jaxdl.data.folders import empty_folder
from jaxdl.errors import UserError, one_line

SECONDS_WITHOUT_NEW_BYTES = 20.0


@dataclasses.dataclass(frozen=True)
class File:
    """A file as it was published: its name, its size in bytes and its sha256 in hexadecimal."""

    name: str
    size: int
    sha256: str

    def matches(self, path: Path) -> bool:
        """Returns whether ``path`` has exactly this content."""
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256


def listed(table: str) -> tuple[File, ...]:
    """Reads a list of files, one in each line: its name, its size and its sha256."""
    rows = (line.split() for line in table.strip().splitlines())
    return tuple(File(name, int(size), sha256) for name, size, sha256 in rows)


class SourceError(Exception):
    """A source did not deliver; the message is a short reason, in lower case.

    It may quote a server or an archive, and so is reduced to one printable line.
    """

    def __init__(self, reason: str):
        super().__init__(one_line(reason))


class Source(Protocol):
    """A place that has all files of a data set, or of a published model.

    Attributes:
      files: the files.
      label: the name of this source in messages.
    """

    files: tuple[File, ...]
    label: str

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """Downloads the missing files into ``folder``, each only after its sha256 has been checked.

        Args:
          missing: the files to download.
          folder: where they are put under their own names.
          temporary: a folder on the same disk for unfinished files.

        Raises:
          SourceError: the source did not deliver.
        """


@dataclasses.dataclass(frozen=True)
class Together:
    """Several places, each of which has some of the files."""

    parts: tuple[Source, ...]

    @property
    def files(self) -> tuple[File, ...]:
        """The files of all parts."""
        return tuple(file for part in self.parts for file in part.files)

    @property
    def label(self) -> str:
        """The name of this source in messages."""
        return " and ".join(part.label for part in self.parts)

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`."""
        for part in self.parts:
            wanted = [file for file in missing if file in part.files]
            if wanted:
                part.fetch(wanted, folder, temporary)


def obtain(name: str, sources: tuple[Source, ...], folder: Path, temporary: Path) -> None:
    """Makes sure that the files of one of the sources lie in ``folder``.

    Args:
      name: name of the data set, for messages.
      sources: the sources, in the order in which they are tried.
      folder: the folder of the files. Those that are already there are never changed.
      temporary: a folder on the same disk, which is left as it was.

    Raises:
      UserError: a file in ``folder`` differs from the published one, or no source delivers.
    """
    if are_present(name, sources, folder):
        return
    failures = []
    for source in sources:
        missing = [file for file in source.files if not (folder / file.name).exists()]
        megabytes = sum(file.size for file in missing) / 1e6
        note(f"{name}: downloading {megabytes:.1f} MB from {source.label}")
        try:
            with empty_folder(temporary / "unfinished") as unfinished:
                source.fetch(missing, folder, unfinished)
            return
        except SourceError as failure:
            failures.append(f"{source.label}: {failure}")
    missing = [file for file in sources[0].files if not (folder / file.name).exists()]
    wanted = ", ".join(f"{file.name} (sha256 {file.sha256})" for file in missing)
    raise UserError(
        f"{name}: the data could not be downloaded ({'; '.join(failures)}). "
        f"Go online, or put into {folder} the files: {wanted}."
    )


def are_present(name: str, sources: tuple[Source, ...], folder: Path) -> bool:
    """Returns whether all files of a source lie in ``folder``; raises UserError if one differs."""
    present = {file for source in sources for file in source.files if (folder / file.name).exists()}
    for file in present:
        if not file.matches(folder / file.name):
            size = (folder / file.name).stat().st_size
            difference = (
                f"its sha256 is not {file.sha256}"
                if size == file.size
                else f"it has {size:,} bytes instead of {file.size:,}"
            )
            raise UserError(
                f"{name}: {folder / file.name} is not the published file ({difference}). "
                "Delete it to download it again, or replace it."
            )
    return any(source.files and present.issuperset(source.files) for source in sources)


def accept(path: Path, file: File, folder: Path) -> None:
    """Moves a downloaded file into ``folder`` if it is the published one.

    Raises:
      SourceError: its size or sha256 differs.
    """
    if not file.matches(path):
        raise SourceError(f"its {file.name} is not the published file: the sha256 differs")
    path.replace(folder / file.name)


def damaged(path: Path, reason: str) -> UserError:
    """Returns the error to raise for a downloaded file that cannot be read."""
    return UserError(f"{path} is damaged ({one_line(reason)}). Delete it to download it again.")
