"""From a data directory in any state to decoded arrays, one process at a time."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from jaxdl.console import note
from jaxdl.data import arrays, records, sources
from jaxdl.data.arrays import Decoded
from jaxdl.data.catalog import CATALOG
from jaxdl.errors import UserError


def decoded(name: str, data_dir: Path) -> Decoded:
    """Gives the arrays of a data set; fetches, prepares, decodes and caches what is not there yet.

    Below ``data_dir`` it uses ``downloads/NAME/`` (source files), ``NAME/[CONFIG/]VERSION/``
    (records, as tensorflow-datasets lays them out), ``arrays/`` in there (the cache), and, while
    it works, ``NAME.lock`` and ``NAME.temporary/``.

    Args:
      name: one of `CATALOG`.
      data_dir: the data directory; made if need be.

    Raises:
      UserError: the data cannot be had, or the directory cannot be used.
    """
    try:
        cached = _cached(name, data_dir)
        if cached is not None:
            return cached
        if _is_read_only(data_dir) and records.fingerprint(_folder(name, data_dir)):
            return records.decode(_folder(name, data_dir), name)
        with _alone(name, data_dir) as temporary:
            cached = _cached(name, data_dir)  # another process may have made it meanwhile
            return cached or _make(name, data_dir, temporary)
    except OSError as error:
        raise UserError(
            f"{name}: the data directory {data_dir} cannot be used "
            f"({error.strerror or error}). Mend that or give another --data-dir."
        ) from error


def _folder(name: str, data_dir: Path) -> Path:
    entry = CATALOG[name]
    return data_dir / name / entry.config / entry.version


def _cached(name: str, data_dir: Path) -> Decoded | None:
    folder = _folder(name, data_dir)
    fingerprint = records.fingerprint(folder)
    return fingerprint and arrays.read(folder / "arrays", fingerprint)


def _is_read_only(data_dir: Path) -> bool:
    return data_dir.exists() and not os.access(data_dir, os.W_OK)


@contextlib.contextmanager
def _alone(name: str, data_dir: Path) -> Iterator[Path]:
    """Holds the data set's lock and yields an empty folder, gone afterwards."""
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(data_dir / f"{name}.lock")
    temporary = data_dir / f"{name}.temporary"
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        note(f"{name}: waiting for another process that prepares it")
        lock.acquire()
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
        temporary.mkdir(exist_ok=True)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        lock.release()


def _make(name: str, data_dir: Path, temporary: Path) -> Decoded:
    folder = _folder(name, data_dir)
    started = time.monotonic()
    if records.fingerprint(folder) is None:
        _prepare(name, data_dir, temporary)
    try:
        made = records.decode(folder, name)
    except records.DamagedRecordsError:
        note(f"{name}: the records in {folder} are damaged; new ones follow")
        _prepare(name, data_dir, temporary)
        made = records.decode(folder, name)
    _cache(made, folder, temporary)
    counts = " + ".join(f"{len(split['label']):,}" for split in made.splits.values())
    seconds = time.monotonic() - started
    note(f"{name}: prepared {counts} examples in {folder} ({seconds:.1f} s)")
    return made


def _prepare(name: str, data_dir: Path, temporary: Path) -> None:
    builder_class = CATALOG[name].builder_class()
    archives = data_dir / "downloads" / name
    archives.mkdir(parents=True, exist_ok=True)
    sources.obtain(name, builder_class.SOURCES, archives, temporary)
    prepared = records.prepare(builder_class, archives, temporary / "records")
    _swap_in(prepared, _folder(name, data_dir), temporary)


def _cache(made: Decoded, folder: Path, temporary: Path) -> None:
    unfinished = temporary / "arrays"
    unfinished.mkdir()
    fingerprint = records.fingerprint(folder)
    arrays.write(made, fingerprint, unfinished)
    _swap_in(unfinished, folder / "arrays", temporary)


def _swap_in(new: Path, place: Path, temporary: Path) -> None:
    """Renames a finished folder to its place; what was there before goes with ``temporary``."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(temporary / f"old-{place.name}")
    new.rename(place)
