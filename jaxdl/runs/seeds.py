"""Several trainings that differ in their seed only.

They are a group, which is named after the directory of its first run. Each other run has this
name in its options, so that an interrupted group can be resumed from any of its runs.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.console import note
from jaxdl.runs.experiment import Summary
from jaxdl.runs.options import MACHINE, PLACES, to_options
from jaxdl.runs.run import Run, readable_runs
from jaxdl.training.processes import is_first, text_of_first

NOT_OF_THE_RESULT = {"seed", "seeds", "group", "feature_extractor", *PLACES, *MACHINE}


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only; a single run is a group, too.

    Attributes:
      config: the options that they share.
      seeds: seeds of the runs.
      name: name of the group, "" until it is known.
      begun: directories of the runs that were begun, by seed.
      finished: summaries of the runs that have nothing left to do, by seed.
    """

    config: Any
    seeds: Sequence[int]
    name: str = ""
    begun: Mapping[int, Path] = dataclasses.field(default_factory=dict)
    finished: Mapping[int, Summary] = dataclasses.field(default_factory=dict)

    def result_of(self, seed: int) -> tuple[Run, Summary] | None:
        """Returns the run of a seed and its summary; None unless it is finished."""
        return (Run.open(self.begun[seed]), self.finished[seed]) if seed in self.finished else None

    def config_of(self, seed: int) -> Any:
        """Returns the options with which the run of a seed is made or resumed."""
        one = {"seed": seed, "resume": self.begun.get(seed), "group": self.name}
        return dataclasses.replace(self.config, run=dataclasses.replace(self.config.run, **one))

    def named_by(self, first: Run) -> "Group":
        """Returns the group, named after its first run unless it has a name."""
        return dataclasses.replace(self, name=self.name or first.checkpoints.parent.name)


def find_group(experiment: str, config: Any) -> Group:
    """Finds the group that a command line names: a new one, or that of a run to resume.

    Args:
      experiment: name of the experiment.
      config: all options.
    """
    options = config.run
    if not options.resume:
        return Group(config, range(options.seed, options.seed + options.seeds))
    found = None
    if options.seeds > 1:  # the first process looks on behalf of all
        found = json.dumps(_find_group(experiment, config) if is_first() else None)
        found = json.loads(text_of_first(found))
    if found is None:
        return Group(config, [options.seed], options.group, {options.seed: options.resume})
    beside = dataclasses.replace(options, runs_dir=options.resume.resolve().parent.parent)
    return Group(
        dataclasses.replace(config, run=beside),
        range(found["first"], found["first"] + options.seeds),
        found["name"],
        {int(seed): Path(directory) for seed, directory in found["begun"].items()},
        {int(seed): summary for seed, summary in found["finished"].items()},
    )


def _find_group(experiment: str, config: Any) -> dict[str, Any] | None:
    """Describes the group of ``config.run.resume`` in JSON values; None if it lies elsewhere."""
    resumed, count = config.run.resume.resolve(), config.run.seeds
    name = config.run.group or resumed.name
    runs = {run.options["seed"]: run for run in _runs_of_group(resumed.parent, name)}
    first = next((seed for seed, run in runs.items() if run.directory.name == name), None)
    if resumed.parent.name != experiment or first is None:
        note(f"The run is one of {count} seeds, which are not beside it: it is resumed alone.")
        return None
    summaries = {s: summary_if_finished(run, to_options(config)) for s, run in runs.items()}
    finished = {seed: summary for seed, summary in summaries.items() if summary}
    note(f"Resuming {count} seeds: {len(finished)} finished, {len(runs) - len(finished)} begun.")
    begun = {seed: str(run.directory) for seed, run in runs.items()}
    return {"name": name, "first": first, "begun": begun, "finished": finished}


def _runs_of_group(folder: Path, name: str) -> Iterator[Run]:
    """Yields the runs of a group that can be read."""
    for run in readable_runs(path.parent for path in sorted(folder.glob("*/config.json"))):
        is_member = name in (run.directory.name, run.options.get("group"))
        if is_member and type(run.options.get("seed")) is int:
            yield run


def summary_if_finished(run: Run, options: dict[str, Any]) -> Summary | None:
    """Returns the summary of a run that has finished with these options, whatever its seed."""
    summary = run.read_summary()
    same = summary and of_the_result(summary["options"]) == of_the_result(options)
    return summary if same and run.has_model_of(summary) else None


def of_the_result(options: dict[str, Any]) -> dict[str, Any]:
    """Selects the options on which the result depends, except the seed."""
    return {name: value for name, value in options.items() if name not in NOT_OF_THE_RESULT}


def same_result(options: dict[str, Any], others: dict[str, Any]) -> bool:
    """Whether trainings with these options have the same result."""
    same_seed = options.get("seed") == others.get("seed")
    return same_seed and of_the_result(options) == of_the_result(others)


def average(summaries: list[Summary]) -> Summary:
    """Computes mean and sample standard deviation over runs that differ only in their seed.

    Returns:
      The entries that the summaries share, the options on which the result depends, "seeds",
      and for each float among the entries its "mean", "std" (None for a single run) and "values".
    """
    first, last = summaries[0], summaries[-1]
    options = of_the_result(first["options"])
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
