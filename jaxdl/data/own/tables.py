"""Finds the tables of a data set, and the columns of their examples and labels."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from jaxdl.data.own.listing import SPLIT_NAMES, Files, FoundExamples, folders_in
from jaxdl.data.own.table_files import read_table
from jaxdl.errors import UserError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
TEXTS = ("text", "sentence", "review", "content", "comment", "message", "body", "tweet")
LABELS = ("label", "labels", "class", "category", "sentiment", "target", "rating", "stars")
FILES = ("file", "filename", "file_name", "image", "path", "picture", "photo")
NAMES_OF_ALL = ("labels", "data")
"""Names of tables that hold all examples, besides the names of splits."""
MOST_CLASSES = 1000


class NoLabelsError(UserError):
    """A table or a split has no labels."""


def find_tables(folder: Path) -> dict[str, Path]:
    """Finds the tables of a folder: one for each split, like train.csv, or a single one.

    Returns:
      Split -> path of its table; empty if there is no table, or if there are folders and it is
      not clear which table is meant.

    Raises:
      UserError: two tables are the same split; or there are no folders, and all tables are splits
        other than training, or it is not clear which one is meant.
    """
    tables = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    splits: dict[str, Path] = {}
    for path in tables:
        split = SPLIT_NAMES.get(path.stem.lower())
        if split in splits:
            raise UserError(f"{splits[split]} and {path} are both for {split}: remove one of them.")
        if split:
            splits[split] = path
    if "train" in splits:
        return splits
    if splits and len(splits) == len(tables) and not folders_in(folder):
        found = ", ".join(path.name for path in tables)
        raise UserError(f"{folder} has {found}, but no table train: add it.")
    named = [path for path in tables if path.stem.lower() in NAMES_OF_ALL]
    tables = named if len(named) == 1 else tables
    if len(tables) > 1 and folders_in(folder):
        return {}  # they describe the pictures in the folders
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise UserError(f"{folder} has the tables {names}: give the file itself as --dataset.")
    return {"train": tables[0]} if tables else {}


def list_texts(path: Path, text_column: str, label_column: str) -> FoundExamples:
    """Reads a table of texts and their labels.

    Args:
      path: the table, in UTF-8.
      text_column: name of the column of the texts; "" to find one that has a usual name.
      label_column: the same for the labels.

    Raises:
      UserError: the table cannot be read, lacks the columns, or has an empty cell in them.
    """

    def choose(names: list[str]) -> list[str]:
        label = choose_column(names, label_column, LABELS, "--label-column", path)
        return [choose_column(names, text_column, TEXTS, "--text-column", path), label]

    texts, labels = read_table(path, choose)
    for row, text in enumerate(texts, start=1):
        _require_text(text, path, row)
    return FoundExamples(texts, clean_labels(labels, path))


def list_pictures(path: Path, label_column: str) -> FoundExamples:
    """Reads a table that names picture files, relative to its folder, and their labels.

    Args:
      path: the table, in UTF-8.
      label_column: name of the column of the labels; "" to find one that has a usual name.

    Raises:
      UserError: the table cannot be read, lacks the columns, has an empty cell in them, or names a
        file outside its folder.
    """

    def choose(names: list[str]) -> list[str]:
        label = choose_column(names, label_column, LABELS, "--label-column", path)
        return [choose_column(names, "", FILES, "", path), label]

    files, labels = read_table(path, choose)
    folder = os.path.abspath(path.parent)  # noqa: PTH100, which follows no links
    names = []
    for row, file in enumerate(files, start=1):
        _require_text(file, path, row)
        _require_file_name(file, path, row)
        name = os.path.normpath(os.path.join(folder, file))  # noqa: PTH118
        if not Path(name).is_relative_to(folder):
            raise UserError(f"{path} names {file}, which is not in {folder}: move it there.")
        names.append(name)
    return FoundExamples(Files(names), clean_labels(labels, path))


def choose_column(
    columns: Collection[str], given: str, usual: Sequence[str], option: str, table: Path | str
) -> str:
    """Returns the name of a column: the given one, or the only one that has a usual name.

    Args:
      columns: names of all columns.
      given: the name that the user gave; "" for none.
      usual: names that such a column often has, in lower case.
      option: the option by which the user can give it; "" if there is none.
      table: the table, for messages.

    Raises:
      NoLabelsError: ``usual`` is `LABELS`, and there is no such column.
      UserError: there is no such column, or more than one.
    """
    names = ", ".join(columns)
    if given:
        if given not in columns:
            error = NoLabelsError if usual is LABELS else UserError
            raise error(f"{table} has no column {given}; {option} is one of {names}.")
        return given
    found = [name for name in columns if name.strip().lower() in usual]
    if len(found) == 1:
        return found[0]
    advice = f"choose one by {option}" if option else f"name one of them {usual[0]}"
    how_many = "more than one column that is" if found else "no column that is"
    error = NoLabelsError if usual is LABELS and not found else UserError
    raise error(f"{table} has {how_many} named like a {usual[0]}; {advice}: {names}.")


def clean_labels(values: Sequence[Any], table: Path | str) -> list[str]:
    """Turns the values of a column into names of classes.

    Raises:
      NoLabelsError: all values are empty.
      UserError: a value is empty or cannot be a name, or there are too many different ones.
    """
    if all(value in (None, "") or value != value for value in values):
        raise NoLabelsError(
            f"{table} has no labels: fill in the column, or choose another by --label-column."
        )
    labels = []
    for row, value in enumerate(values, start=1):
        if isinstance(value, list | dict):
            raise UserError(f"{table}, row {row}: the label is {value!r}, no name; repair it.")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        is_missing = value is None or value != value  # NaN is how pandas writes it
        label = "" if is_missing else str(value).strip()
        if not label:
            raise UserError(f"{table}, row {row}: the label is empty; fill it or remove the row.")
        if any("\ud800" <= character <= "\udfff" for character in label):
            raise UserError(f"{table}, row {row}: the label is not UTF-8; repair it.")
        labels.append(label)
    count = len({*labels})
    if count > MOST_CLASSES and count > len(labels) / 2:
        raise UserError(
            f"{table} has {count:,} different labels in {len(labels):,} rows, too many for "
            "classes; choose another column by --label-column."
        )
    return labels


def _require_text(value: Any, table: Path, row: int) -> None:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{table}, row {row}: there is no text; repair or remove the row.")


def _require_file_name(name: str, table: Path, row: int) -> None:
    try:
        is_possible = b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise UserError(f"{table}, row {row}: no file can have that name; repair the row.")
