"""Files that are replaced completely or not at all, and directories for one process at a time."""

import contextlib
import errno
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import filelock

from jaxdl.errors import InUseError, UserError

WITHOUT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""Errors of ``fsync`` on file systems that do not support it."""

PATTERN_CHARACTERS = "*?[\\"


def with_checksum(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record of plain JSON values with its CRC-32 as "checksum"."""
    record = {name: value for name, value in record.items() if name != "checksum"}
    return record | {"checksum": f"{zlib.crc32(json.dumps(record, sort_keys=True).encode()):08x}"}


def is_unchanged(record: dict[str, Any]) -> bool:
    """Whether a record is what `with_checksum` returned."""
    return record == with_checksum(record)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file; see `write_text`."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file, which is on disk when the call returns.

    Raises:
      OSError: the file cannot be written. The error names it; an earlier file is left unchanged.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            _write_through(file, text)
        temporary.replace(path)
        sync_directory(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def append_text(path: Path, text: str) -> None:
    """Appends to a text file, which is on disk when the call returns.

    Raises:
      OSError: the text cannot be written, or only a part of it; the error names the file.
    """
    is_new = not path.exists()
    try:
        with path.open("a") as file:
            _write_through(file, text)
        if is_new:
            sync_directory(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_directory(directory: Path) -> None:
    """Waits until the entries of a directory are on disk, if the system supports that."""
    with contextlib.suppress(OSError):  # Windows cannot open a directory
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


def _write_through(file: TextIO, text: str) -> None:
    file.write(text)
    file.flush()
    _sync(file.fileno())


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in WITHOUT_SYNC:
            raise


def expand_home(path: Path | str) -> Path:
    """Replaces ``~`` at the start of a path, unless it names an unknown user."""
    return Path(os.path.expanduser(path))  # noqa: PTH111, which raises a RuntimeError for one


def require_plain_path(directory: Path) -> None:
    """Refuses a directory from which Orbax could not restore its checkpoints.

    Raises:
      UserError: its absolute path has a character that Orbax takes for a pattern, or is not UTF-8.
    """
    whole = directory.absolute()
    names = "/".join(whole.relative_to(whole.anchor).parts)
    is_utf8 = names.encode(errors="ignore").decode() == names
    if not is_utf8 or any(letter in names for letter in PATTERN_CHARACTERS):
        raise UserError(
            f"Checkpoints cannot be kept in {whole}: choose a directory without the characters "
            f"{' '.join(PATTERN_CHARACTERS)} in its path, and with names in UTF-8."
        )


@contextlib.contextmanager
def exclusive_use(directory: Path) -> Iterator[None]:
    """Holds the lock DIRECTORY/lock, which the system releases when the process dies.

    The directory is made if it does not exist.

    Raises:
      InUseError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(filelock.FileLock(directory / "lock", timeout=0))
        except filelock.Timeout as error:
            raise InUseError(
                f"{directory} is in use by another process: wait for it, or stop it."
            ) from error
        yield
