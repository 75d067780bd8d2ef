"""What all experiment commands do around their training."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.console import console, print_table, silence
from jaxdl.errors import UserError
from jaxdl.runs.command_line import OF_THE_MACHINE, parse
from jaxdl.runs.run import Run, write_json
from jaxdl.runs.scores import format_average, format_score
from jaxdl.training.config import TrainingConfig
from jaxdl.training.processes import failing_at_once, is_first, join

Summary = dict[str, Any]

PROGRAM_CACHE = Path("~/.cache/jaxdl/programs").expanduser()
NOT_OF_THE_RESULT = {"seed", "seeds", "resume", "data_dir", "runs_dir", "judge", *OF_THE_MACHINE}


def launch(
    experiment: str,
    presets: Mapping[str, TrainingConfig],
    train: Callable[[Any], tuple[Run, Summary]],
    description: str,
) -> None:
    """Reads the command line, trains one seed or several, and prints the results.

    Args:
      experiment: its name, as in ``python -m experiments.NAME``.
      presets: configurations, "default" among them.
      train: makes one run; returns it and its summary.
      description: for ``--help``.
    """
    config = parse(experiment, presets, description)
    _check_writable(config.resume or config.runs_dir)
    join(config.coordinator, config.process_id, config.process_count)
    with failing_at_once():
        _train_all(experiment, config, train)


def _train_all(
    experiment: str, config: TrainingConfig, train: Callable[[Any], tuple[Run, Summary]]
) -> None:
    _check_device()
    if not is_first():
        silence()
    cache_compiled_programs()
    timestamp = time.strftime("%Y%m%d-%H%M%S")
    summaries = []
    for seed in range(config.seed, config.seed + config.seeds):
        run, summary = train(dataclasses.replace(config, seed=seed, seeds=1))
        summaries.append(summary)
        _print_results(run, summary)
    if config.seeds > 1 and is_first():
        path = config.runs_dir / experiment / f"{timestamp}-{config.seeds}-seeds.json"
        overall = average(summaries)
        write_json(path, overall)
        _print_average(overall, path)


def cache_compiled_programs() -> None:
    """Keeps every compiled program on disk, so that a second start compiles nothing.

    The folder is the user's own unless JAX_COMPILATION_CACHE_DIR names another: do not
    share it with people you do not trust, since it holds machine code.
    """
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(PROGRAM_CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def average(summaries: list[Summary]) -> Summary:
    """Mean and sample standard deviation over runs that differ only in their seed.

    Returns:
      What the summaries share, the options without those that name folders, "seeds", and
      for each float among the entries its "mean", "std", None of a single run, and "values".
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


def _check_writable(directory: Path) -> None:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f"Cannot write to {directory}; give another --runs-dir.")


def _check_device() -> None:
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or ["it does not say why"])[0]
        raise UserError(f"JAX finds no device ({reason}); mind JAX_PLATFORMS.") from error


def _print_results(run: Run, summary: Summary) -> None:
    rows = {_words(n): format_score(n, summary[n]) for n in _scores(summary)}
    seconds = f"{summary['seconds_total']:.1f} s"
    if summary["epochs"]:
        rows["best epoch"] = f"{summary['best_epoch']} of {summary['epochs']}"
        rows["speed"] = f"{summary['examples_per_second']:,.0f} examples/s"
        seconds += f", {summary['seconds_compile']:.1f} s to compile"
    print_table(rows | {"time": seconds, "run": str(run.directory)})


def _print_average(overall: Summary, path: Path) -> None:
    console.print(f"Over {len(overall['seeds'])} seeds ({path}):", style="bold")
    print_table({_words(n): format_average(n, overall[n]) for n in _scores(overall)})


def _scores(summary: Summary) -> list[str]:
    return [name for name in summary if name.startswith("test_")]


def _words(name: str) -> str:
    return name.replace("_", " ")
