"""Files that are written completely or not at all, and directories that one process uses."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from jaxdl.console import note
from jaxdl.errors import UserError


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)


@contextlib.contextmanager
def exclusive_use(directory: Path) -> Iterator[None]:
    """Holds the lock DIRECTORY/lock, which the system releases when the process dies.

    The directory is made if it does not exist.

    Raises:
      UserError: another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(filelock.FileLock(directory / "lock", timeout=0))
        except filelock.Timeout as error:
            raise UserError(
                f"{directory} is in use by another process: wait for it, or stop it."
            ) from error
        except NotImplementedError:
            note(f"The file system of {directory} has no locks: do not use it twice at a time.")
        yield
