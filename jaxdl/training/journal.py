"""The record of a training: its lines in metrics.jsonl and on the console."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.console import console
from jaxdl.errors import UserError
from jaxdl.runs import Run
from jaxdl.training.pace import Pace

POINTS_PER_EPOCH = 20


def log_epoch(
    run: Run,
    epoch: int,
    history: dict[str, np.ndarray],
    validation: dict[str, float],
    learning_rate: float,
    seconds: float,
) -> None:
    """Writes an epoch to metrics.jsonl: twenty lines of its steps, one of the whole.

    Args:
      run: whose metrics.jsonl it is.
      epoch: counted from 1.
      history: metrics of each step, each (steps_per_epoch,).
      validation: metrics on the validation split.
      learning_rate: at the end of the epoch.
      seconds: of training so far.
    """
    steps_per_epoch = len(next(iter(history.values())))
    first_step = (epoch - 1) * steps_per_epoch
    for steps in np.array_split(np.arange(steps_per_epoch), min(POINTS_PER_EPOCH, steps_per_epoch)):
        step = first_step + int(steps[-1]) + 1
        means = {f"train_{name}": float(values[steps].mean()) for name, values in history.items()}
        run.log({"step": step, **means})
    run.log(
        {
            "step": epoch * steps_per_epoch,
            "epoch": epoch,
            **{f"train_{name}": float(values.mean()) for name, values in history.items()},
            **{f"validation_{name}": value for name, value in validation.items()},
            "learning_rate": learning_rate,
            "seconds": round(seconds, 3),
        }
    )


def print_epoch(
    epoch: int,
    epochs: int,
    history: dict[str, np.ndarray],
    validation: dict[str, float],
    pace: Pace,
) -> None:
    """One line for an epoch; arguments as in `log_epoch`, ``epochs`` how many there are."""
    train = format_metrics({name: values.mean() for name, values in history.items()})
    held_out = format_metrics(validation)
    console.print(
        f"epoch {epoch:{len(str(epochs))}}/{epochs}  train {train}"
        + (f"  validation {held_out}" if held_out else "")
        + f"  {pace.examples_per_second:,.0f} examples/s",
    )


def format_metrics(metrics: Mapping[str, float]) -> str:
    """Names and values on one line."""
    return "  ".join(f"{name} {metrics[name]:.4f}" for name in sorted(metrics))


def describe_latest(history: dict[str, Any], position: int, step: int) -> str:
    """The metrics of the last step in words.

    Args:
      history: of this epoch, each float32 (steps_per_epoch,).
      position: of the step in the epoch.
      step: its number, counted from 1.

    Raises:
      UserError: one of them is not finite.
    """
    latest = {name: np.asarray(values)[position] for name, values in history.items()}
    for name, value in latest.items():
        if not math.isfinite(value):
            raise UserError(
                f"The {name} is {value} at step {step:,}: try a lower --learning-rate, "
                "or --gradient-clip 1."
            )
    return format_metrics(latest)
