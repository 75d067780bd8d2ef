"""Groups of options that commands share; conversion of configurations to plain values and back.

A configuration is a frozen dataclass whose fields are groups of options: ``data``, ``model``,
``optimization``, ``augmentation``, ``run``, ``machine``. No two groups have an option of the same
name; so the command line, presets and config.json name an option without its group. A group, and
the configuration, may have a method ``without_effect()``, which names the options that others leave
without effect.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

from jaxdl.data import DEFAULT_DATA_DIR, IMAGE_DATASETS, TEXT_DATASETS
from jaxdl.data.catalog import CATALOG
from jaxdl.data.tokenizer import Truncation
from jaxdl.errors import UsageError, UserError
from jaxdl.training.mesh import parse_layout
from jaxdl.training.optimization import option_name, require, require_fractions, require_positive

Config = TypeVar("Config")

NUM_SEEDS = 2**32
"""Number of distinct seeds: JAX keeps 32 bits, so larger seeds would repeat smaller ones."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where the data comes from, and how it is split."""

    OF_OWN_DATA = ("label_column", "skip_broken")

    dataset: str = "mnist"
    """Data set to learn."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory in which data sets are kept."""
    validation_fraction: float = 0.2
    """Fraction of the training examples held out to choose the best epoch; 0 keeps the last one."""
    label_column: str = ""
    """Column of a table that holds the labels; by default one with a usual name."""
    skip_broken: bool = False
    """Leave out files of your own data that cannot be read."""

    def __post_init__(self) -> None:
        require_fractions(self, "validation_fraction")

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        names = self.OF_OWN_DATA if self.dataset in CATALOG else ()
        return dict.fromkeys(names, f"--dataset {self.dataset}")

    def require_kind(self, names: Sequence[str], because: str = "") -> None:
        """Refuses a data set of the catalog that is not in ``names``."""
        fits = self.dataset not in CATALOG or self.dataset in names
        require(self, "dataset", fits, f"one of {', '.join(names)}{because}, or your own")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageData(DataOptions):
    """Where the images come from, and how they are split."""

    OF_OWN_DATA = (*DataOptions.OF_OWN_DATA, "image_size", "stream")

    dataset: str = "mnist"
    """Data: mnist, fashion_mnist, cifar10, cifar100, folder or table, tfds:NAME, hf:OWNER/NAME."""
    image_size: int = 32
    """Side to which your own pictures are resized, in pixels."""
    stream: bool = False
    """Read your own pictures from their files in every epoch, even if they fit into memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_kind(IMAGE_DATASETS)
        require(self, "image_size", 12 <= self.image_size <= 1024, "12 to 1024")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextData(DataOptions):
    """Where the texts come from, how they are split, and how they become tokens."""

    OF_OWN_DATA = (*DataOptions.OF_OWN_DATA, "text_column")

    dataset: str = "imdb_reviews"
    """Data: imdb_reviews, a folder or table of texts, tfds:NAME, hf:OWNER/NAME."""
    text_column: str = ""
    """Column of a table that holds the texts; by default one with a usual name."""
    vocabulary_size: int = 10_000
    """Number of tokens: padding, the unknown word, and the most frequent words."""
    sequence_length: int = 200
    """Number of tokens of a text that the model sees."""
    truncation: Truncation = "start"
    """End at which a longer text is cut."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_kind(TEXT_DATASETS)
        require(self, "vocabulary_size", self.vocabulary_size >= 3, "at least 3")
        require_positive(self, "sequence_length")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Which run is made, or resumed."""

    preset: str = "default"
    """Set of options to start from; options that are given override it."""
    seed: int = 0
    """Random seed of initial parameters, order, dropout and augmentation."""
    seeds: int = 1
    """Number of runs to train, with seeds from --seed upwards; reports mean and deviation."""
    runs_dir: Path = Path("runs")
    """Directory in which runs are made, in one folder per experiment."""
    resume: Path | None = None
    """Directory of a run to resume, with its options, of which --epochs may be raised."""
    group: Annotated[str, tyro.conf.Fixed, tyro.conf.Suppress] = ""
    """Directory name of the first run, in the runs of further seeds; see `jaxdl.runs.seeds`."""

    def __post_init__(self) -> None:
        require(self, "seeds", 1 <= self.seeds <= NUM_SEEDS, f"1 to {NUM_SEEDS:,}")
        largest = NUM_SEEDS - (1 if self.group else self.seeds)
        require(self, "seed", 0 <= self.seed <= largest, f"0 to {largest:,}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """Which devices and processes train together."""

    mesh: str = ""
    """Number of devices along each axis, like data=4,fsdp=2; by default all shard the batch."""
    coordinator: str = ""
    """Address of the first process, host:port; auto on TPUs, without --process-*; none on SLURM."""
    process_id: int = 0
    """Number of this process among several, from 0."""
    process_count: int = 1
    """Number of processes."""

    def __post_init__(self) -> None:
        if self.mesh:
            parse_layout(self.mesh)
        require_positive(self, "process_count")
        within = 0 <= self.process_id < self.process_count
        require(self, "process_id", within, f"below --process-count, {self.process_count}")
        if self.process_count > 1 and not self.coordinator:
            raise UsageError("--process-count above 1 needs --coordinator, host:port of the first.")
        known = re.fullmatch(r"|auto|.+:\d+", self.coordinator) is not None
        require(self, "coordinator", known, "host:port of the first process, or auto")


MACHINE = tuple(field.name for field in dataclasses.fields(MachineOptions))
PLACES = ("data_dir", "runs_dir", "resume")


def to_options(config: Any) -> dict[str, Any]:
    """Flattens a configuration to plain JSON values by the names of the options."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for group in dataclasses.asdict(config).values()
        for name, value in group.items()
    }


def from_options(config_class: type[Config], options: Mapping[str, Any]) -> Config:
    """Builds a configuration from what `to_options` returned; missing options get their defaults.

    Raises:
      UserError: the options are not those of this class.
    """
    default = config_class()
    unknown = ", ".join(sorted(set(options) - set(to_options(default))))
    if unknown:
        raise UserError(f"The run was made by another version of jaxdl, with options {unknown}.")
    kinds = {k: v for group in groups(default) for k, v in get_type_hints(type(group)).items()}
    for name, value in options.items():
        if not _fits(value, kinds[name]):
            raise UserError(
                f"config.json of the run is damaged: {option_name(name)} is {value!r}; start a "
                "new run."
            )
    values = {
        name: Path(value) if kinds[name] in (Path, Path | None) and value is not None else value
        for name, value in options.items()
    }
    return with_changes(default, values)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a plain JSON value is of the type of an option."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    return type(value) in {Path: (str,), float: (float, int)}.get(kind, (kind,))


def groups(config: Any) -> list[Any]:
    """Returns the groups of a configuration."""
    return [getattr(config, field.name) for field in dataclasses.fields(config)]


def with_changes(config: Config, changes: Mapping[str, Any]) -> Config:
    """Returns the configuration with other values for some options, given by their names.

    Raises:
      KeyError: there is no such option.
    """
    left = dict(changes)
    changed = {}
    for field in dataclasses.fields(config):
        group = getattr(config, field.name)
        names = {f.name for f in dataclasses.fields(group)} & left.keys()
        changed[field.name] = dataclasses.replace(group, **{name: left.pop(name) for name in names})
    if left:
        raise KeyError(f"no such options: {', '.join(left)}")
    return dataclasses.replace(config, **changed)
