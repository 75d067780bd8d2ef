"""Verifies a run: whether its files can be read, are unchanged, and fit each other.

    python -m experiments.check runs/cnn/20261121-120000-0

Every checkpoint is read completely. config.json, summary.json, the tokenizer and all arrays of the
checkpoints are compared with the checksums that were written with them. The lines of metrics.jsonl
and the figures have none: what is verified is that all lines are there, and that the PNG files that
are there can be read.

One line is printed for each part. Exit status 0: nothing is wrong; 1: something is; 2: it is not
the directory of a run; 3: it is being trained, try again later. A run that was interrupted is not
wrong, nor is a damaged checkpoint that was set aside.
"""

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.registry import find_experiment
from jaxdl.console import console, print_table
from jaxdl.data.pictures import decoding
from jaxdl.errors import InUseError, UserError, reason_of
from jaxdl.files import exclusive_use
from jaxdl.runs import Run
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.launch import set_up_devices
from jaxdl.runs.options import from_options
from jaxdl.training.checkpoints import load_model, verify

STATUS_IN_USE = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """What to verify."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The directory of a run."""


def check(directory: Path) -> tuple[dict[str, str], bool]:
    """Verifies a run.

    Returns:
      For each part of the run what was found, and whether all of it is right.

    Raises:
      UsageError: it is not the directory of a run.
      UserError: its config.json cannot be read, or was changed.
      InUseError: a process is using it.
    """
    run = Run.open(directory)
    experiment = find_experiment(run.experiment)
    checks: dict[str, Callable[[], str]] = {
        "config.json": lambda: check_config(run, experiment),
        "checkpoints": lambda: check_checkpoints(run),
        "metrics.jsonl": lambda: check_metrics(run),
        "summary.json": lambda: check_summary(run),
        "tokenizer.json": lambda: check_tokenizer(run, experiment),
        "figures": lambda: check_figures(run),
    }
    found, right = {}, True
    with contextlib.ExitStack() as held:
        if (run.directory / "lock").exists():
            with contextlib.suppress(OSError):  # where nothing can be written, nobody trains
                held.enter_context(exclusive_use(run.directory))
        for name, check_part in checks.items():
            try:
                found[name] = check_part()
            except (UserError, OSError) as error:
                found[name], right = f"WRONG: {reason_of(error)}", False
    return found, right


def check_config(run: Run, experiment: Experiment) -> str:
    """Builds the configuration from the options of a run."""
    from_options(experiment.config, run.options)
    return f"{len(run.options)} options of {run.experiment}"


def check_checkpoints(run: Run) -> str:
    """Reads all checkpoints of a run; a finished run must have one."""
    if not run.checkpoint_steps():
        if run.summary.exists():
            raise UserError("there is none")
        return "none yet"
    steps = verify(run.checkpoints)
    damaged = [f"that of step {step:,} ({reason})" for step, reason in steps.items() if reason]
    if damaged:
        raise UserError(f"damaged: {', '.join(damaged)}")
    aside = len(list(run.checkpoints.glob("*.damaged")))
    remark = f"; {aside} damaged ones were set aside" if aside else ""
    return f"of steps {', '.join(f'{step:,}' for step in steps)}{remark}"


def check_metrics(run: Run) -> str:
    """Reads the metrics of a run; their steps must rise, and none of its epochs may be missing."""
    records, damaged = run.parse_metrics()
    if damaged:
        raise UserError(f"{damaged} damaged line{'s' if damaged > 1 else ''}")
    order = [(record["step"], "epoch" in record) for record in records]
    if any(later <= earlier for earlier, later in itertools.pairwise(order)):
        raise UserError("its steps do not rise")
    numbers = [record["epoch"] for record in records if "epoch" in record]
    summary = run.read_summary()
    last = max([summary["epochs"] if summary else 0, *numbers])
    if not summary and not numbers and _has_trained_model(run):
        raise UserError("it is empty, but there is a trained model")
    epochs = f"{last} epoch{'s' if last != 1 else ''}"
    if numbers != list(range(1, last + 1)):
        raise UserError(f"it does not hold all of {epochs}")
    return f"{len(records):,} records of {epochs}"


def _has_trained_model(run: Run) -> bool:
    try:
        load_model(run.checkpoints)
    except UserError:
        return False
    return True


def check_summary(run: Run) -> str:
    """Reads the results of a run, if it is finished, and compares them with its other files."""
    if not run.summary.exists():
        return "none yet: the training has not been finished"
    summary = run.read_summary()
    if summary is None:
        raise UserError(
            "it cannot be read, or was changed after jaxdl wrote it; make it again with "
            f"{run.command_to_resume}"
        )
    of_config = {"experiment": run.experiment, "seed": run.options.get("seed")}
    differing = [name for name, value in of_config.items() if summary[name] != value]
    if differing:
        raise UserError(f"its {differing[0]} is not that of config.json")
    if not run.has_model_of(summary):
        raise UserError(f"its model, of step {summary['steps']:,}, is in no checkpoint")
    kinds = ("test_", "validation_")
    scores = {name: value for name, value in summary.items() if name.startswith(kinds)}
    not_finite = [name for name, value in scores.items() if not math.isfinite(value)]
    if not_finite:
        raise UserError(f"its {not_finite[0]} is not a number")
    return f"{len(scores)} scores after {summary['steps']:,} steps"


def check_tokenizer(run: Run, experiment: Any) -> str:
    """Reads the tokenizer of a run as a prediction does."""
    config = from_options(experiment.config, run.options)
    shapes = experiment.inputs.example_shapes(config) if hasattr(experiment, "inputs") else {}
    if "tokens" not in shapes:
        return "not needed"
    experiment.inputs.reader(config, run)
    return "can be read"


def check_figures(run: Run) -> str:
    """Reads all figures of a run."""
    paths = sorted(run.figures.rglob("*.png"))
    for path in paths:
        with decoding(path, ("PNG",)) as picture:
            picture.load()
    return str(len(paths))


def main() -> None:
    """Parses the command line, verifies, prints."""
    options = parse_dataclass(Options, "experiments.check", description=__doc__)
    set_up_devices()
    try:
        found, right = check(options.run)
    except InUseError as error:
        error.exit_status = STATUS_IN_USE
        raise
    print_table(found)
    if not right:
        raise UserError(f"{options.run} is damaged.")
    console.print(f"Nothing is wrong in {options.run}.")


if __name__ == "__main__":
    run_command(main)
