"""Runs the command of an experiment: options, devices, one run for each seed, results."""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.console import console, print_table, silence
from jaxdl.errors import UserError, reason_of
from jaxdl.files import write_json
from jaxdl.runs.command_line import exiting_on_error, parse
from jaxdl.runs.experiment import Experiment, Summary
from jaxdl.runs.options import MACHINE, PLACES
from jaxdl.runs.program_cache import cache_compiled_programs
from jaxdl.runs.run import Run
from jaxdl.runs.scores import format_average, format_score
from jaxdl.training.processes import exiting_together, is_first, join

NOT_OF_THE_RESULT = {"seed", "seeds", "feature_extractor", *PLACES, *MACHINE}


def launch(experiment: Experiment, description: str) -> None:
    """Parses the command line, trains one run or one for each of several seeds, prints results.

    Ends the process; errors that a user can fix are printed in one line.

    Args:
      experiment: what to train.
      description: for ``--help``.
    """
    with exiting_on_error():
        config = parse(experiment.name, experiment.config, experiment.presets, description)
        if config.run.resume:
            _check_writable(config.run.resume, "copy the run, and resume the copy")
        else:
            _check_writable(config.run.runs_dir, "give another --runs-dir")
        machine = config.machine
        join(machine.coordinator, machine.process_id, machine.process_count)
        with exiting_together():
            set_up_devices()
            timestamp = time.strftime("%Y%m%d-%H%M%S")
            summaries = []
            for seed in range(config.run.seed, config.run.seed + config.run.seeds):
                one = dataclasses.replace(config.run, seed=seed, seeds=1)
                run, summary = experiment.train(dataclasses.replace(config, run=one))
                summaries.append(summary)
                _print_results(run, summary)
            if len(summaries) > 1 and is_first():
                name = f"{timestamp}-{len(summaries)}-seeds.json"
                path = config.run.runs_dir / experiment.name / name
                overall = average(summaries)
                write_json(path, overall)
                _print_average(overall, path)


def set_up_devices() -> None:
    """Starts JAX on its devices; only the first of several processes prints from here on.

    Raises:
      UserError: JAX finds no device.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"JAX finds no device ({reason_of(error)}); check JAX_PLATFORMS."
        ) from error
    if not is_first():
        silence()
    cache_compiled_programs()


def average(summaries: list[Summary]) -> Summary:
    """Computes mean and sample standard deviation over runs that differ only in their seed.

    Returns:
      The entries that the summaries share, the options on which the result depends, "seeds",
      and for each float among the entries its "mean", "std" (None for a single run) and "values".
    """
    first, last = summaries[0], summaries[-1]
    options = {k: v for k, v in first["options"].items() if k not in NOT_OF_THE_RESULT}
    shared = {k: v for k, v in first.items() if all(s[k] == v for s in summaries)}
    statistics = {}
    for name in (name for name, value in first.items() if isinstance(value, float)):
        values = [summary[name] for summary in summaries]
        mean = float(np.mean(values))
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        statistics[name] = {"mean": mean, "std": std, "values": values}
    seeds = [summary["seed"] for summary in summaries]
    return shared | statistics | {"date": last["date"], "seeds": seeds, "options": options}


def _check_writable(directory: Path, advice: str) -> None:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"Cannot write to {directory}; {advice}.")


def _print_results(run: Run, summary: Summary) -> None:
    rows = {_words(n): format_score(n, summary[n]) for n in _scores(summary)}
    seconds = f"{summary['seconds_total']:.1f} s"
    if summary["epochs"]:
        rows["best epoch"] = f"{summary['best_epoch']} of {summary['epochs']}"
        rows["throughput"] = f"{summary['examples_per_second']:,.0f} examples/s"
        seconds += f", {summary['seconds_compile']:.1f} s to compile"
    print_table(rows | {"time": seconds, "run": str(run.directory)})


def _print_average(overall: Summary, path: Path) -> None:
    console.print(f"Over {len(overall['seeds'])} seeds ({path}):", style="bold")
    print_table({_words(n): format_average(n, overall[n]) for n in _scores(overall)})


def _scores(summary: dict[str, Any]) -> list[str]:
    return [name for name in summary if name.startswith("test_")]


def _words(name: str) -> str:
    return name.replace("_", " ")
