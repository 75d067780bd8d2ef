"""The directory of one training run.

<runs_dir>/<experiment>/<timestamp>-<seed>/
  config.json     the experiment, its options, the names of its classes
  metrics.jsonl   one JSON object a line, written as the training goes
  checkpoints/    by Orbax
  figures/        PNG
  summary.json    results, times, machine, written when the training is done
"""

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any

from jaxdl.errors import UsageError, UserError

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run on disk.

    Attributes:
      directory: where everything of the run lies.
      experiment: the name of the experiment, as in ``python -m experiments.NAME``.
      options: the options of the experiment, as plain JSON values.
      class_names: of the labels, in their order.
      shared: where the checkpoints are, if not in ``directory``: see `for_another_process`.
    """

    directory: Path
    experiment: str
    options: Record
    class_names: tuple[str, ...]
    shared: Path | None = None

    @classmethod
    def create(
        cls, experiment: str, runs_dir: Path, seed: int, options: Record, class_names: tuple
    ) -> "Run":
        """Makes a new directory and writes config.json.

        Raises:
          UserError: the directory cannot be written.
        """
        try:
            directory = _new_directory(runs_dir / experiment, time.strftime("%Y%m%d-%H%M%S"), seed)
            run = cls(directory, experiment, options, tuple(class_names))
            run.figures.mkdir()
            run._write_config()
        except OSError as error:
            raise UserError(
                f"Cannot write to {runs_dir} ({error.strerror}); give another --runs-dir."
            ) from error
        return run

    @classmethod
    def open(cls, directory: Path) -> "Run":
        """Opens the directory of an earlier run.

        Raises:
          UsageError: it is not the directory of a run.
          UserError: its config.json is damaged.
        """
        path = directory / "config.json"
        if not path.is_file():
            raise UsageError(f"{directory} is not the directory of a run: it has no config.json.")
        try:
            config = json.loads(path.read_text())
            return cls(
                directory, config["experiment"], config["options"], tuple(config["class_names"])
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged; start a new run.") from error

    def with_options(self, options: Record) -> "Run":
        """The run with other options, which are written to config.json."""
        run = dataclasses.replace(self, options=options)
        run._write_config()
        return run

    def for_another_process(self, directory: Path) -> "Run":
        """The run in the eyes of a process that is not the first of those that train together.

        It writes checkpoints with the others, and all else, for nobody, into a new directory.
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
        """What goes on with a training that was stopped."""
        return f"python -m experiments.{self.experiment} --resume {self.checkpoints.parent}"

    @property
    def figures(self) -> Path:
        """Directory of the figures."""
        return self.directory / "figures"

    @property
    def _metrics(self) -> Path:
        return self.directory / "metrics.jsonl"

    def log(self, record: Record) -> None:
        """Appends one line to metrics.jsonl; it is on disk when the call returns."""
        with self._metrics.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def read_metrics(self) -> list[Record]:
        """The lines of metrics.jsonl; a last line that was cut off is left out.

        Raises:
          UserError: a line is no JSON.
        """
        if not self._metrics.exists():
            return []
        lines = self._metrics.read_text().splitlines(keepends=True)
        try:
            return [json.loads(line) for line in lines if line.endswith("\n")]
        except ValueError as error:
            raise UserError(f"{self._metrics} is damaged; take the bad line out.") from error

    def forget_after(self, step: int) -> None:
        """Drops the lines of metrics.jsonl that come after a step, to go on from there."""
        records = [record for record in self.read_metrics() if record["step"] <= step]
        write_text(self._metrics, "".join(json.dumps(record) + "\n" for record in records))

    def _write_config(self) -> None:
        config = {
            "experiment": self.experiment,
            "class_names": self.class_names,
            "options": self.options,
        }
        write_json(self.directory / "config.json", config)

    def write_summary(self, summary: Record) -> None:
        """Writes summary.json."""
        write_json(self.directory / "summary.json", summary)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)


def _new_directory(parent: Path, timestamp: str, seed: int) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        directory = parent / f"{timestamp}-{seed}{f'-{number}' if number > 1 else ''}"
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return directory
