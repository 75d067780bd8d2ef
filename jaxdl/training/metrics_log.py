"""The metrics of a training, as JSON objects in memory or in a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.files import write_text

POINTS_PER_EPOCH = 20

Record = dict[str, Any]


class MetricsLog:
    """Records with a "step" each: about twenty in an epoch, and one of the whole epoch.

    With a path, each record is a line of that file, written when it is added.
    """

    def __init__(self, path: Path | None = None):
        """Opens the log of an earlier session, if the file exists."""
        self._path = path
        self._records = [] if path is None else read_records(path)

    @property
    def records(self) -> list[Record]:
        """All records, the oldest first."""
        return list(self._records)

    def add(self, record: Record) -> None:
        """Appends a record."""
        self._records.append(record)
        if self._path:
            with self._path.open("a") as file:
                file.write(json.dumps(record) + "\n")

    def drop_after(self, step: int) -> None:
        """Drops the records after a step, from which a training resumes."""
        self._records = [record for record in self._records if record["step"] <= step]
        if self._path:
            write_text(self._path, "".join(json.dumps(r) + "\n" for r in self._records))

    def add_epoch(
        self,
        epoch: int,
        history: Mapping[str, np.ndarray],
        validation: Mapping[str, float],
        learning_rate: float | None,
        seconds: float,
    ) -> None:
        """Appends the records of an epoch: means over twenty parts of it, then over the whole.

        Args:
          epoch: counted from 1.
          history: metrics of each step, each (steps_per_epoch,).
          validation: metrics on the validation split.
          learning_rate: at the end of the epoch; None if unknown.
          seconds: of training so far.
        """
        steps_per_epoch = len(next(iter(history.values())))
        first = (epoch - 1) * steps_per_epoch
        num_parts = min(POINTS_PER_EPOCH, steps_per_epoch)
        for steps in np.array_split(np.arange(steps_per_epoch), num_parts):
            means = {f"train_{name}": float(v[steps].mean()) for name, v in history.items()}
            self.add({"step": first + int(steps[-1]) + 1, **means})
        record = {
            "step": epoch * steps_per_epoch,
            "epoch": epoch,
            **{f"train_{name}": float(values.mean()) for name, values in history.items()},
            **{f"validation_{name}": value for name, value in validation.items()},
            "learning_rate": learning_rate,
            "seconds": round(seconds, 3),
        }
        self.add({name: value for name, value in record.items() if value is not None})


def read_records(path: Path) -> list[Record]:
    """Reads the records of a file, without a last line that was cut off.

    Raises:
      UserError: a line is not JSON.
    """
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    try:
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except ValueError as error:
        raise UserError(f"{path} is damaged; remove the bad line.") from error


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Formats names and values on one line."""
    return "  ".join(f"{name} {metrics[name]:.4f}" for name in sorted(metrics))


def format_epoch(
    epoch: int,
    epochs: int,
    history: Mapping[str, np.ndarray],
    validation: Mapping[str, float],
    examples_per_second: float,
) -> str:
    """Formats one line for an epoch, of ``epochs``; see also `MetricsLog.add_epoch`."""
    train = format_metrics({name: values.mean() for name, values in history.items()})
    held_out = f"  validation {format_metrics(validation)}" if validation else ""
    number = f"{epoch:{len(str(epochs))}}/{epochs}"
    return f"epoch {number}  train {train}{held_out}  {examples_per_second:,.0f} examples/s"
