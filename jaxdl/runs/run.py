"""The directory of one training run.

<runs_dir>/<experiment>/<timestamp>-<seed>/
  config.json     the experiment, its options, the names of its classes, checksums of its data
  metrics.jsonl   one JSON object a line, written during the training
  tokenizer.json  of a run on texts
  checkpoints/    by Orbax
  figures/        images; of a generator an animation, of a language model texts
  summary.json    results, times, machine; written once the trained model has been scored

config.json and summary.json hold their own checksums.
"""

import contextlib
import dataclasses
import json
import shlex
import shutil
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

from jaxdl.console import note
from jaxdl.errors import UsageError, UserError, reason_of
from jaxdl.files import expand_home, is_unchanged, sync_directory, with_checksum, write_json
from jaxdl.training.metrics_log import MetricsLog, Record, parse_records, read_records

FORMAT = 5
"""Version of a run's files. Raise it when names of options or layers change, when files hold other
things, and when the default of a new option does not describe earlier runs, which lack it."""
EXPERIMENTS_OF_OTHERS = "jaxdl.experiments"
"""Group of the entry points by which other packages provide experiments."""

KINDS_IN_CONFIG = {"experiment": str, "options": dict, "class_names": list, "data": dict}
KINDS_IN_SUMMARY = {
    **dict.fromkeys(("experiment", "dataset", "date"), str),
    **dict.fromkeys(("seed", "epochs", "best_epoch", "steps", "parameters"), int),
    **dict.fromkeys(("seconds_total", "seconds_compile", "examples_per_second"), float),
    "options": dict,
}
"""The entries that summary.json has at least, and their types."""


def module_of(experiment: str) -> str:
    """Returns the module that is the command of an experiment, ``python -m MODULE``."""
    provided = {entry.name: entry.module for entry in entry_points(group=EXPERIMENTS_OF_OTHERS)}
    return provided.get(experiment, f"experiments.{experiment}")


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run on disk.

    Attributes:
      directory: where everything of the run is kept.
      experiment: the name of the experiment; see `module_of`.
      options: the options of the experiment, as plain JSON values.
      class_names: names of the classes, in the order of the labels.
      data: checksums of its data; see `jaxdl.runs.lifecycle`.
      shared: where checkpoints and tokenizer are, if elsewhere: see `for_another_process`.
    """

    directory: Path
    experiment: str
    options: Record
    class_names: tuple[str, ...]
    data: Record
    shared: Path | None = None

    @classmethod
    def create(
        cls,
        experiment: str,
        runs_dir: Path,
        seed: int,
        options: Record,
        class_names: tuple,
        data: Record,
    ) -> "Run":
        """Makes a new directory and writes config.json.

        Raises:
          UserError: the directory cannot be written.
        """
        try:
            directory = _new_directory(runs_dir / experiment, time.strftime("%Y%m%d-%H%M%S"), seed)
            run = cls(directory, experiment, options, tuple(class_names), data)
            with contextlib.ExitStack() as undone:
                undone.callback(shutil.rmtree, directory, ignore_errors=True)
                run.figures.mkdir()
                run._write_config()
                undone.pop_all()
        except OSError as error:
            raise UserError(
                f"Cannot write to {runs_dir} ({reason_of(error)}); give another --runs-dir."
            ) from error
        return run

    @classmethod
    def open(cls, directory: Path) -> "Run":
        """Reads the directory of an earlier run.

        Raises:
          UsageError: it is not the directory of a run.
          UserError: its config.json is damaged or was changed, or is of another version of jaxdl.
        """
        directory = expand_home(directory)
        path = directory / "config.json"
        if not path.is_file():
            raise UsageError(f"{directory} is not the directory of a run: it has no config.json.")
        try:
            config = json.loads(path.read_text())
            if config.get("format", 1) != FORMAT:
                raise UserError(
                    f"{directory} was made by another version of jaxdl, which wrote other files; "
                    "train again, or use that version."
                )
            values = [config[name] for name in KINDS_IN_CONFIG]
            experiment, options, names, data = values
            fits = all(map(isinstance, values, KINDS_IN_CONFIG.values()))
            fits = fits and all(isinstance(name, str) for name in names)
            if not (fits and is_unchanged(config)):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path} is damaged or was changed; restore it, or start a new run."
            ) from error
        return cls(directory, experiment, options, tuple(names), data)

    def with_options(self, options: Record) -> "Run":
        """Returns the run with other options, which are written to config.json."""
        run = dataclasses.replace(self, options=options)
        if run != self:
            run._write_config()
        return run

    def for_another_process(self, directory: Path) -> "Run":
        """Returns the run for a process that is not the first of those that train together.

        It writes checkpoints together with the others, and everything else into a new directory
        that nobody reads.
        """
        run = dataclasses.replace(self, directory=directory, shared=self.directory)
        run.figures.mkdir(parents=True)
        if self._metrics.exists():
            shutil.copy(self._metrics, run._metrics)
        return run

    @property
    def checkpoints(self) -> Path:
        """Directory of the checkpoints."""
        return (self.shared or self.directory) / "checkpoints"

    @property
    def command_to_resume(self) -> str:
        """The command that resumes the training."""
        directory = shlex.quote(str(self.checkpoints.parent))
        return f"python -m {module_of(self.experiment)} --resume {directory}"

    @property
    def figures(self) -> Path:
        """Directory of the figures."""
        return self.directory / "figures"

    @property
    def tokenizer(self) -> Path:
        """File of the tokenizer, in a run on texts."""
        return (self.shared or self.directory) / "tokenizer.json"

    @property
    def _metrics(self) -> Path:
        return self.directory / "metrics.jsonl"

    def metrics_log(self) -> MetricsLog:
        """Opens metrics.jsonl to add records."""
        return MetricsLog(self._metrics)

    def read_metrics(self) -> list[Record]:
        """Reads the records of metrics.jsonl; see `read_records`."""
        return read_records(self._metrics)

    def parse_metrics(self) -> tuple[list[Record], int]:
        """Returns the records of metrics.jsonl, and the number of its damaged lines."""
        return parse_records(self._metrics.read_bytes() if self._metrics.exists() else b"")

    def _write_config(self) -> None:
        config = {
            "format": FORMAT,
            "experiment": self.experiment,
            "class_names": self.class_names,
            "options": self.options,
            "data": self.data,
        }
        write_json(self.directory / "config.json", with_checksum(config))

    @property
    def summary(self) -> Path:
        """File of the results, once the training has finished."""
        return self.directory / "summary.json"

    def write_summary(self, summary: Record) -> None:
        """Writes summary.json; if it cannot be written, says so, since the results are printed."""
        try:
            write_json(self.summary, with_checksum(summary))
        except OSError as error:
            note(f"The results cannot be written to {self.summary} ({reason_of(error)}).")

    def read_summary(self) -> Record | None:
        """Reads summary.json; None if there is none, or if it is damaged or was changed."""
        try:
            summary = json.loads(self.summary.read_bytes())
            if not is_unchanged(summary):
                return None
            del summary["checksum"]
            values = {name: summary[name] for name in KINDS_IN_SUMMARY}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        fits = all(type(values[name]) is kind for name, kind in KINDS_IN_SUMMARY.items())
        scores = [value for name, value in summary.items() if name.startswith("test_")]
        return summary if fits and all(isinstance(score, float) for score in scores) else None

    def has_model_of(self, summary: Record) -> bool:
        """Whether there is a checkpoint of the model that a summary describes."""
        return summary["steps"] in self.checkpoint_steps()

    def checkpoint_steps(self) -> list[int]:
        """Returns the steps of the checkpoints, whatever their state."""
        return sorted(int(p.name) for p in self.checkpoints.glob("*") if p.name.isdecimal())

    def is_empty(self) -> bool:
        """Whether nothing has been trained: there are neither metrics nor a checkpoint."""
        has_metrics = self._metrics.exists() and self._metrics.stat().st_size > 0
        return not has_metrics and not self.checkpoint_steps()


def readable_runs(directories: Iterable[Path]) -> Iterator[Run]:
    """Opens runs, skipping those that are damaged or of another version of jaxdl."""
    for directory in directories:
        try:
            yield Run.open(directory)
        except (UserError, OSError):
            continue


def _new_directory(parent: Path, timestamp: str, seed: int) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        directory = parent / f"{timestamp}-{seed}{f'-{number}' if number > 1 else ''}"
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
            sync_directory(parent)
            return directory
        number += 1
