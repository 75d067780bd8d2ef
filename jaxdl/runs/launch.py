"""Runs the command of an experiment: options, devices, one run for each seed, results."""

import os
from pathlib import Path
from typing import Any

import jax

from jaxdl.console import console, print_table, silence
from jaxdl.errors import UserError, reason_of
from jaxdl.files import require_plain_path, write_json
from jaxdl.runs.command_line import parse
from jaxdl.runs.commands import exiting_on_error
from jaxdl.runs.experiment import Experiment, Summary
from jaxdl.runs.program_cache import cache_compiled_programs
from jaxdl.runs.run import Run
from jaxdl.runs.scores import format_average, format_score
from jaxdl.runs.seeds import average, find_group
from jaxdl.training.processes import exiting_together, is_first, join


def launch(experiment: Experiment, description: str) -> None:
    """Parses the command line, trains one run or one for each of several seeds, prints results.

    Ends the process; errors that a user can fix are printed in one line.

    Args:
      experiment: what to train.
      description: text for ``--help``.
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
            group, results = find_group(experiment.name, config), []
            for seed in group.seeds:
                run, summary = group.result_of(seed) or experiment.train(group.config_of(seed))
                group = group.named_by(run)
                _print_results(run, summary)
                _require_model(run, summary)
                results.append((run, summary))
            if len(results) > 1 and is_first():
                first = results[0][0].directory
                path = first.with_name(f"{first.name}-{len(results)}-seeds.json")
                overall = average([summary for _, summary in results])
                _print_average(overall, path)
                write_json(path, overall)


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


def _check_writable(directory: Path, advice: str) -> None:
    require_plain_path(directory)
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


def _require_model(run: Run, summary: Summary) -> None:
    if is_first() and not run.has_model_of(summary):
        raise UserError(
            f"The trained model was not saved in {run.checkpoints}: free some space there, then "
            f"train it again with {run.command_to_resume}"
        )


def _print_average(overall: Summary, path: Path) -> None:
    console.print(f"Over {len(overall['seeds'])} seeds ({path}):", style="bold")
    print_table({_words(n): format_average(n, overall[n]) for n in _scores(overall)})


def _scores(summary: dict[str, Any]) -> list[str]:
    """Names the scores on the test split or, for a language model, on the validation split."""
    of_test = [name for name in summary if name.startswith("test_")]
    return of_test or [name for name in summary if name.startswith("validation_")]


def _words(name: str) -> str:
    return name.replace("_", " ")
