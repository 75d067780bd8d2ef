"""The metrics of a training, as JSON objects in memory or in a file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.console import note
from jaxdl.errors import reason_of
from jaxdl.files import append_text, write_text

POINTS_PER_EPOCH = 20

Record = dict[str, Any]


class MetricsLog:
    """Records of metrics, each with a "step": up to twenty in an epoch, and one of the whole epoch.

    With a path, each record is a line of that file, which is on disk when the call returns. If it
    cannot be written, a remark says so, and the next call writes what is missing.
    """

    def __init__(self, path: Path | None = None):
        """Reads the log of an earlier session, if the file exists; see `read_records`."""
        self._path = path
        self._records = [] if path is None else read_records(path)
        self._is_written = True

    @property
    def records(self) -> list[Record]:
        """All records, the oldest first."""
        return list(self._records)

    def add(self, *records: Record) -> None:
        """Appends records."""
        self._records += records
        if self._is_written:
            self._write(append_text, list(records))
        else:
            self._write(write_text, self._records)

    def drop_after(self, step: int, epochs: int = 0) -> None:
        """Drops the records after a step, from which a training resumes, and says how many.

        Args:
          step: number of updates so far.
          epochs: number of epochs so far; a remark says how many of them have no record.
        """
        kept = [record for record in self._records if record["step"] <= step]
        dropped, self._records = len(self._records) - len(kept), kept
        if dropped:
            lines = "1 line" if dropped == 1 else f"{dropped:,} lines"
            note(f"Dropped {lines} of metrics after step {step:,}, which will be logged again.")
        missing = epochs - sum("epoch" in record for record in kept)
        if missing > 0:
            note(f"The metrics of {missing:,} of the {epochs:,} epochs so far are lost.")
        self._write(write_text, kept)

    def _write(self, write: Callable[[Path, str], None], records: list[Record]) -> None:
        if not self._path:
            return
        try:
            write(self._path, "".join(json.dumps(record) + "\n" for record in records))
        except OSError as error:
            if self._is_written:
                reason = reason_of(error)
                note(f"{self._path} cannot be written ({reason}): the training goes on without it.")
            self._is_written = False
        else:
            self._is_written = True

    def add_epoch(
        self,
        epoch: int,
        history: Mapping[str, np.ndarray],
        validation: Mapping[str, float],
        learning_rate: float | None,
        seconds: float,
    ) -> None:
        """Appends the records of an epoch: means over up to twenty parts of it and over the whole.

        Args:
          epoch: counted from 1.
          history: metrics of each step, each (steps_per_epoch,).
          validation: metrics on the validation split.
          learning_rate: its value at the end of the epoch; None if unknown.
          seconds: time spent in training so far.
        """
        steps_per_epoch = len(next(iter(history.values())))
        first = (epoch - 1) * steps_per_epoch
        num_parts = min(POINTS_PER_EPOCH, steps_per_epoch)
        records = []
        for steps in np.array_split(np.arange(steps_per_epoch), num_parts):
            means = {f"train_{name}": float(v[steps].mean()) for name, v in history.items()}
            records.append({"step": first + int(steps[-1]) + 1, **means})
        whole = {
            "step": epoch * steps_per_epoch,
            "epoch": epoch,
            **{f"train_{name}": float(values.mean()) for name, values in history.items()},
            **{f"validation_{name}": value for name, value in validation.items()},
            "learning_rate": learning_rate,
            "seconds": round(seconds, 3),
        }
        records.append({name: value for name, value in whole.items() if value is not None})
        self.add(*records)


def read_records(path: Path) -> list[Record]:
    """Reads the records of a file; a remark says how many damaged lines are left out."""
    if not path.exists():
        return []
    records, damaged = parse_records(path.read_bytes())
    if damaged:
        lines = "1 damaged line" if damaged == 1 else f"{damaged:,} damaged lines"
        note(f"{path} has {lines}, which {'is' if damaged == 1 else 'are'} left out.")
    return records


def parse_records(content: bytes) -> tuple[list[Record], int]:
    """Returns the records in a file, and the number of damaged lines.

    What follows the last line break is ignored: a process died while it was writing that line.
    """
    lines = content.split(b"\n")[:-1]
    records = [record for record in map(_parse, lines) if record is not None]
    return records, len(lines) - len(records)


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    return record if all(isinstance(value, int | float) for value in record.values()) else None


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
    """Formats a line about an epoch out of ``epochs``; see also `MetricsLog.add_epoch`."""
    train = format_metrics({name: values.mean() for name, values in history.items()})
    held_out = f"  validation {format_metrics(validation)}" if validation else ""
    number = f"{epoch:{len(str(epochs))}}/{epochs}"
    return f"epoch {number}  train {train}{held_out}  {examples_per_second:,.0f} examples/s"
