"""Reads columns of table files: CSV, TSV, JSON Lines and Parquet."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxdl.data.pictures import require_regular
from jaxdl.errors import UserError, reason_of

LONGEST_HEADER, LONGEST_FIELD = 2**20, 2**27
ROWS_AT_ONCE = 1024
LARGEST_PARQUET, MOST_EXPANSION = 2**30, 100
"""Bytes to which a Parquet file may unpack; a larger one, to this many times its size."""

Columns = list[list[Any]]
Choose = Callable[[list[str]], list[str]]
"""Takes the names of all columns and returns the names of those to read, in order."""


def read_table(path: Path, choose: Choose) -> Columns:
    """Reads the columns that ``choose`` selects; all have the same number of cells.

    Raises:
      UserError: the table cannot be read, or has no rows.
    """
    require_regular(path)
    readers = {".jsonl": _read_json_lines, ".parquet": _read_parquet}
    try:
        columns = readers.get(path.suffix.lower(), _read_separated)(path, choose)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # csv, json and pyarrow each have their own errors
        raise UserError(f"{path} cannot be read as a table: {reason_of(error)}.") from error
    if not columns[0]:
        raise UserError(f"The table {path} has no rows below its header.")
    return columns


def _read_separated(path: Path, choose: Choose) -> Columns:
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline(LONGEST_HEADER)
        separators = "\t" if path.suffix.lower() == ".tsv" else ",;\t"
        separator = max(separators, key=header.count)
        file.seek(0)
        rows = csv.reader(file, delimiter=separator, strict=True)
        names = next(rows, [])
        if len({*names}) < len(names):
            raise UserError(f"{path} has two columns of the same name: rename one of them.")
        numbers = [names.index(name) for name in choose(names)]
        columns: Columns = [[] for _ in numbers]
        for row in rows:
            if separator == "\t" and _looks_like_several(row, len(names)):
                raise UserError(
                    f"{path}, line {rows.line_num}: double quotes seem to join several rows into "
                    "one: double those that belong to a text and put its cell in double quotes, or "
                    "write the table as .csv, with commas."
                )
            if len(row) == len(names):
                for column, number in zip(columns, numbers, strict=True):
                    column.append(row[number])
            elif row:  # not an empty line
                raise UserError(
                    f"{path}, line {rows.line_num}: it has {len(row)} cells, but the header "
                    f"{len(names)}: put what contains {separator!r} in double quotes."
                )
    return columns


def _looks_like_several(row: list[str], num_columns: int) -> bool:
    """Whether each line of a row that is separated by tabs has as many cells as a whole row."""
    lines = "\t".join(row).splitlines()
    return len(lines) > 1 and all(line.count("\t") == num_columns - 1 for line in lines)


def _read_json_lines(path: Path, choose: Choose) -> Columns:
    names: list[str] = []
    columns: Columns = [[]]
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}, line {number}: it is not JSON; repair it.") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: it is not an object, {{...}}; repair it.")
            if not names:
                names = choose(list(row))
                columns = [[] for _ in names]
            for column, name in zip(columns, names, strict=True):
                column.append(row.get(name))
    return columns


def _read_parquet(path: Path, choose: Choose) -> Columns:
    from pyarrow import parquet

    most_bytes, num_bytes = max(LARGEST_PARQUET, MOST_EXPANSION * path.stat().st_size), 0
    with parquet.ParquetFile(path) as file:
        names = choose(file.schema_arrow.names)
        columns: Columns = [[] for _ in names]
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=names):
            num_bytes += batch.nbytes
            if num_bytes > most_bytes:
                raise UserError(
                    f"{path} unpacks to more than {MOST_EXPANSION} times its size: it may be "
                    "damaged, make it again."
                )
            for column, name in zip(columns, names, strict=True):
                column += batch[name].to_pylist()
    return columns
