"""Locks and temporary folders: one process at a time makes a folder, complete or not at all."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from jaxdl.console import note

LONGEST_NAME = 40


def folder_name(name: str) -> str:
    """Turns any name into one that is safe for a folder; different names may give the same one."""
    return re.sub(r"[^\w.-]+", "-", name)[:LONGEST_NAME]


@contextlib.contextmanager
def empty_folder(path: Path) -> Iterator[Path]:
    """Makes a temporary folder, which is empty at first and deleted afterwards."""
    shutil.rmtree(path, ignore_errors=True)  # left by a process that was killed
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def swap_in(new: Path, place: Path, temporary: Path) -> None:
    """Renames a finished folder to its place; what was there before moves to ``temporary``."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(temporary / f"old-{place.name}")
    new.rename(place)


@contextlib.contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Locks a folder to make it, and yields an empty temporary folder on the same disk.

    What is made there can be renamed to ``folder``. The lock is the file
    ``FOLDER.lock`` and the temporary folder is ``FOLDER.temporary``. The parents of the folder
    are made if they do not exist. While another process holds the lock, this one waits.

    Raises:
      OSError: the file system does not allow it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        held = lock.acquire(timeout=0)
    except filelock.Timeout:
        note(f"{folder.name}: waiting for another process that prepares it")
        held = lock.acquire()
    with held, empty_folder(folder.with_name(f"{folder.name}.temporary")) as temporary:
        yield temporary
