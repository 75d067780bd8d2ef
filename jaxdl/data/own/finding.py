"""Finds the examples of a data set that is not in the catalog, wherever they are stored."""

from pathlib import Path

from jaxdl.console import note
from jaxdl.data.catalog import CATALOG
from jaxdl.data.own import tables
from jaxdl.data.own.hub_sets import list_hub_set
from jaxdl.data.own.listing import FoundExamples, Listing, folders_in, list_folder
from jaxdl.data.own.tfds_sets import list_prepared
from jaxdl.errors import UsageError, UserError, reason_of
from jaxdl.files import expand_home

PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
FILES = {"image": (PICTURES, "pictures"), "text": (frozenset((".txt",)), "texts")}
"""Feature -> suffixes of its files in a folder, and what messages call them."""


def find_examples(
    name: str, feature: str, data_dir: Path, label_column: str, text_column: str = ""
) -> Listing:
    """Finds the examples of a folder, of a table, of tfds:NAME or of hf:NAME, by split.

    Args:
      name: the data set, as the user gave it.
      feature: "image" or "text".
      data_dir: the data directory, in which tfds:NAME is looked for.
      label_column: column of the labels in a table or in hf:NAME; "" to look for a usual one.
      text_column: the same for the texts.

    Raises:
      UsageError: there is no such data set, or a column is named for one that is no table.
      UserError: it cannot be read.
    """
    kind, _, rest = name.partition(":")
    columns = {"--label-column": label_column, "--text-column": text_column}
    given = [option for option, column in columns.items() if column]
    if kind == "tfds":
        _require_no_columns(given, name)
        return list_prepared(rest, expand_home(data_dir), feature)
    if kind == "hf":
        return list_hub_set(rest, feature, text_column, label_column)
    path = expand_home(name)

    def list_table(table: Path) -> FoundExamples:
        if feature == "image":
            return tables.list_pictures(table, label_column)
        return tables.list_texts(table, text_column, label_column)

    try:
        if not path.exists():
            raise UsageError(
                f"There is no data set {name}: give one of {', '.join(CATALOG)}; or a folder or a "
                "table of your own; or tfds:NAME or hf:OWNER/NAME."
            )
        if path.is_dir():
            of_splits = tables.find_tables(path)
            if not of_splits or (_is_unnamed(of_splits) and folders_in(path)):
                _require_no_columns(given, name)
                return list_folder(path, *FILES[feature])
        elif path.suffix.lower() in tables.SUFFIXES:
            of_splits = {"train": path}
        else:
            known = ", ".join(tables.SUFFIXES)
            raise UserError(
                f"{path} is neither a folder nor a table ({known}): give one; unpack an archive "
                "first."
            )
        listing = {}
        for split, table in of_splits.items():
            try:
                listing[split] = list_table(table)
            except tables.NoLabelsError:
                if split != "test":
                    raise
                note(f"{table} is left out, since it has no labels.")
        return listing
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason_of(error)}.") from error


def _require_no_columns(given: list[str], name: str) -> None:
    if given:
        raise UsageError(f"{given[0]} has no effect with {name}, which is no table: leave it out.")


def _is_unnamed(of_splits: dict[str, Path]) -> bool:
    """Whether there is a single table, whose name does not say that it holds the examples."""
    stems = [path.stem.lower() for path in of_splits.values()]
    return len(stems) == 1 and stems[0] not in ("train", "training", *tables.NAMES_OF_ALL)
