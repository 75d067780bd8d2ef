"""Lists the data sets that there are, or looks at one: classes, counts, samples.

    python -m experiments.datasets
    python -m experiments.datasets --dataset pictures/

The first command lists the catalog and your own data that has been read, with the space that each
takes on the disk. The second reads any data set that the other commands accept, prints the number
of examples of each split and class, and draws samples, class balance and lengths of texts, in the
data directory or in the file that --output names.
"""

import dataclasses
from pathlib import Path

import numpy as np

from jaxdl.console import console, note, print_table
from jaxdl.data import DEFAULT_DATA_DIR, Dataset, load
from jaxdl.data.catalog import CATALOG
from jaxdl.data.folders import folder_name
from jaxdl.data.own.loading import FOLDER, ReadOptions, load_own_images, load_own_texts
from jaxdl.data.own.tables import SUFFIXES
from jaxdl.errors import UserError
from jaxdl.files import expand_home
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.dataset_figures import dataset_overview
from jaxdl.runs.networks import require_image_path
from jaxdl.training.optimization import refuse_changed, require

CLASSES_PRINTED = 30
OF_OWN_DATA = ("label_column", "skip_broken", "text_column", "image_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to look at."""

    dataset: str = ""
    """Data set to look at; without one, all are listed."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory in which data sets are kept."""
    image_size: int = 64
    """Side to which your own pictures are resized, in pixels."""
    text_column: str = ""
    """Column of a table that holds the texts; by default one with a usual name."""
    label_column: str = ""
    """Column of a table that holds the labels; by default one with a usual name."""
    skip_broken: bool = False
    """Leave out files of your own data that cannot be read."""
    output: Path | None = None
    """Image file for the figure of a data set."""

    def __post_init__(self) -> None:
        require(self, "image_size", 12 <= self.image_size <= 1024, "12 to 1024")
        require_image_path(self, "output")
        if not self.dataset:
            refuse_changed(self, ("output", *OF_OWN_DATA), "has no effect without --dataset")
        elif self.dataset in CATALOG:
            refuse_changed(self, OF_OWN_DATA, f"has no effect with --dataset {self.dataset}")


def list_datasets(data_dir: Path) -> None:
    """Prints a line for each data set of the catalog, and for each of the user's own."""
    rows = {}
    for name, entry in CATALOG.items():
        shape = entry.image_shape
        what = "images of {}x{}x{}".format(*shape) if shape else "texts"
        folder = data_dir / name
        state = f"prepared, {_megabytes(folder)}" if folder.is_dir() else "fetched on first use"
        rows[name] = f"{entry.num_train:,} training {what}, {entry.num_classes} classes; {state}"
    print_table(rows)
    own = sorted(path for path in (data_dir / FOLDER).glob("*") if path.is_dir())
    for folder in own:
        console.print(f"{folder}  {_describe_own(folder)}, {_megabytes(folder)}")


def load_any(options: Options) -> Dataset:
    """Loads a data set of the catalog, or the user's own images or texts.

    Raises:
      UserError: it is no data set, or cannot be read.
    """
    if options.dataset in CATALOG:
        return load(options.dataset, options.data_dir, validation_fraction=0.0)
    where = (options.dataset, options.data_dir, 0.0)
    read_options = ReadOptions(
        options.label_column,
        options.skip_broken,
        options.text_column,
        side=options.image_size,
        stream=True,
    )
    try:
        return load_own_images(*where, read_options)
    except UserError as of_images:
        try:
            return load_own_texts(*where, read_options)
        except UserError as of_texts:
            has_texts = Path(options.dataset).suffix.lower() in SUFFIXES or any(
                expand_home(options.dataset).rglob("*.txt")
            )
            raise of_texts if has_texts else of_images from None


def describe(dataset: Dataset) -> dict[str, str]:
    """Says how many examples each split and each class has."""
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    rows = {
        split: f"{len(arrays['label']):,} examples"
        for split, arrays in splits.items()
        if len(arrays["label"])
    }
    counts = np.bincount(dataset.train["label"], minlength=len(dataset.class_names))
    fewest, most = counts.min(), counts.max()
    each = f"{fewest:,} to {most:,}" if fewest < most else f"{most:,}"
    rows["classes"] = f"{len(counts):,}, with {each} training examples each"
    largest = np.argsort(-counts, kind="stable")[:CLASSES_PRINTED]
    names = [f"{dataset.class_names[number]} {counts[number]:,}" for number in largest]
    rows["largest"] = ", ".join(names)
    return rows


def main() -> None:
    """Parses the command line, prints, draws."""
    options = parse_dataclass(Options, "experiments.datasets", description=__doc__)
    if not options.dataset:
        list_datasets(expand_home(options.data_dir))
        return
    dataset = load_any(options)
    print_table(describe(dataset))
    name = f"{folder_name(dataset.name)}.png"
    output = options.output or expand_home(options.data_dir) / "figures" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    dataset_overview(dataset.train, dataset.class_names, output)
    note(f"Samples and balance: {output}")


def _describe_own(folder: Path) -> str:
    labels = {
        path.stem.removesuffix("-label"): np.load(path, mmap_mode="r", allow_pickle=False)
        for path in sorted(folder.glob("*-label.npy"))
    }
    counts = [f"{len(array):,} {split}" for split, array in labels.items()]
    classes = max((array.max(initial=-1) + 1 for array in labels.values()), default=0)
    return f"{', '.join(counts)} examples, {classes:,} classes"


def _megabytes(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{size / 1e6:,.1f} MB"


if __name__ == "__main__":
    run_command(main)
