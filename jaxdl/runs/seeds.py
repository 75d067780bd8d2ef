"""Several trainings that differ in their seed only.

They are a group, which is named by the directory of its first run. Each of the others has this
name in its options, so that a group that was interrupted is resumed by any of its runs.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.console import note
from jaxdl.errors import UserError
from jaxdl.runs.experiment import Experiment, Summary
from jaxdl.runs.options import MACHINE, PLACES, to_options
from jaxdl.runs.run import Run
from jaxdl.training.processes import is_first, text_of_first

NOT_OF_THE_RESULT = {"seed", "seeds", "group", "feature_extractor", *PLACES, *MACHINE}


@dataclasses.dataclass(frozen=True)
class Begun:
    """What is there of the runs of a resumed group.

    Attributes:
      name: of the group.
      first_seed: of its runs.
      directories: of the runs that were begun, by seed.
      finished: the summaries of those that have nothing left to do.
    """

    name: str
    first_seed: int
    directories: dict[int, str]
    finished: dict[int, Summary]


def train_seeds(experiment: Experiment, config: Any) -> Iterator[tuple[Run, Summary]]:
    """Trains a run for each seed; of a resumed group, what is not finished yet.

    Args:
      experiment: what to train.
      config: all options.
    """
    options = config.run
    begun = Begun("", options.seed, {}, {})
    if options.resume and options.seeds > 1:
        begun = _begun_as_first_process_sees(experiment.name, config)
        options = dataclasses.replace(options, runs_dir=options.resume.absolute().parent.parent)
    if begun is None or options.seeds == 1:
        yield experiment.train(config)
        return
    name = begun.name
    for seed in range(begun.first_seed, begun.first_seed + options.seeds):
        directory = Path(begun.directories[seed]) if seed in begun.directories else None
        if seed in begun.finished:
            yield Run.open(directory), begun.finished[seed]
            continue
        one = dataclasses.replace(options, seed=seed, resume=directory, group=name)
        run, summary = experiment.train(dataclasses.replace(config, run=one))
        name = name or run.checkpoints.parent.name
        yield run, summary


def _begun_as_first_process_sees(experiment: str, config: Any) -> Begun | None:
    begun = _find_begun(experiment, config) if is_first() else None
    begun = json.loads(text_of_first(json.dumps(begun and dataclasses.asdict(begun))))
    if begun is None:
        return None
    for name in ("directories", "finished"):  # whose keys JSON has made strings
        begun[name] = {int(seed): value for seed, value in begun[name].items()}
    return Begun(**begun)


def _find_begun(experiment: str, config: Any) -> Begun | None:
    """Finds the runs of the group of ``config.run.resume``; None if it lies somewhere else."""
    resumed, seeds = config.run.resume.absolute(), config.run.seeds
    name = config.run.group or resumed.name
    runs = {run.options["seed"]: run for run in _runs_of_group(resumed.parent, name)}
    first_seed = next((seed for seed, run in runs.items() if run.directory.name == name), None)
    if resumed.parent.name != experiment or first_seed is None:
        note(f"The run is one of {seeds} seeds, which are not beside it: it is resumed alone.")
        return None
    wanted = _of_the_result(to_options(config))
    summaries = {seed: run.read_summary() for seed, run in runs.items()}
    finished = {
        seed: summary
        for seed, summary in summaries.items()
        if summary and _of_the_result(summary["options"]) == wanted
    }
    count = len(finished)
    note(f"Resuming {seeds} seeds: {count} finished, {len(runs) - count} begun.")
    directories = {seed: str(run.directory) for seed, run in runs.items()}
    return Begun(name, first_seed, directories, finished)


def _runs_of_group(folder: Path, name: str) -> Iterator[Run]:
    """Yields the runs of a group that can be read."""
    for path in sorted(folder.glob("*/config.json")):
        try:
            run = Run.open(path.parent)
        except (UserError, OSError):
            continue
        is_member = name in (run.directory.name, run.options.get("group"))
        if is_member and type(run.options.get("seed")) is int:
            yield run


def _of_the_result(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in NOT_OF_THE_RESULT}


def average(summaries: list[Summary]) -> Summary:
    """Computes mean and sample standard deviation over runs that differ only in their seed.

    Returns:
      The entries that the summaries share, the options on which the result depends, "seeds",
      and for each float among the entries its "mean", "std" (None for a single run) and "values".
    """
    first, last = summaries[0], summaries[-1]
    options = _of_the_result(first["options"])
    common = [name for name in first if all(name in summary for summary in summaries)]
    shared = {n: first[n] for n in common if all(s[n] == first[n] for s in summaries)}
    statistics = {}
    for name in (name for name in common if isinstance(first[name], float)):
        values = [summary[name] for summary in summaries]
        mean = float(np.mean(values))
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        statistics[name] = {"mean": mean, "std": std, "values": values}
    seeds = [summary["seed"] for summary in summaries]
    return shared | statistics | {"date": last["date"], "seeds": seeds, "options": options}
