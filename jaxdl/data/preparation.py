"""Turns a data directory in any state into decoded arrays, one process at a time."""

import os
import time
from pathlib import Path

from jaxdl.console import note
from jaxdl.data import arrays, records, sources
from jaxdl.data.arrays import Decoded
from jaxdl.data.catalog import CATALOG
from jaxdl.data.folders import making, swap_in
from jaxdl.errors import UserError, reason_of

ARRAYS = "arrays"


def decoded(name: str, data_dir: Path) -> Decoded:
    """Returns the arrays of a data set; downloads, prepares, decodes and caches what is missing.

    In ``data_dir`` it uses ``downloads/NAME/`` (source files), ``NAME/[CONFIG/]VERSION/``
    (records, in the layout of tensorflow-datasets), ``arrays/`` in the latter (the cache) and,
    while it works, ``NAME.lock`` and ``NAME.temporary/``.

    Args:
      name: a key of `CATALOG`.
      data_dir: the data directory, which need not exist.

    Raises:
      UserError: the data cannot be downloaded or read, or the directory cannot be used.
    """
    try:
        cached = _cached(name, data_dir)
        if cached is not None:
            return cached
        if _is_read_only(data_dir) and records.fingerprint(_folder(name, data_dir)):
            arrays.note_not_kept(_folder(name, data_dir) / ARRAYS, "Read-only directory")
            return records.decode(_folder(name, data_dir), name)
        with making(data_dir / name) as temporary:
            cached = _cached(name, data_dir)  # another process may have made it in the meantime
            return cached or _make(name, data_dir, temporary)
    except OSError as error:
        raise UserError(
            f"{name}: the data directory {data_dir} cannot be used "
            f"({reason_of(error)}). Fix that or choose another --data-dir."
        ) from error


def _folder(name: str, data_dir: Path) -> Path:
    entry = CATALOG[name]
    return data_dir / name / entry.config / entry.version


def _cached(name: str, data_dir: Path) -> Decoded | None:
    folder = _folder(name, data_dir)
    fingerprint = records.fingerprint(folder)
    return fingerprint and arrays.read(folder / ARRAYS, fingerprint)


def _is_read_only(data_dir: Path) -> bool:
    return data_dir.exists() and not os.access(data_dir, os.W_OK)


def _make(name: str, data_dir: Path, temporary: Path) -> Decoded:
    folder = _folder(name, data_dir)
    started = time.monotonic()
    if records.fingerprint(folder) is None:
        _prepare(name, data_dir, temporary)
    try:
        made = records.decode(folder, name)
    except records.DamagedRecordsError:
        note(f"{name}: the records in {folder} are damaged and are prepared again")
        _prepare(name, data_dir, temporary)
        made = records.decode(folder, name)
    arrays.keep(made, records.fingerprint(folder), folder / ARRAYS, temporary)
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
    swap_in(prepared, _folder(name, data_dir), temporary)
