"""Loads the network that a command names: one that a run has trained, or a published one."""

from pathlib import Path

from experiments.registry import find_experiment
from jaxdl.errors import UsageError
from jaxdl.files import expand_home
from jaxdl.pretrained import PUBLISHED
from jaxdl.runs import Run
from jaxdl.runs.networks import TrainedNetwork
from jaxdl.runs.published import load_published_network

ALIASES = {"sentiment": "distilbert-sst2", "similarity": "minilm"}


def find_run(name: str) -> Run | None:
    """Opens the run that a command names; None for a published model, or if there is no run."""
    if name in (*PUBLISHED, *ALIASES) or not expand_home(name).joinpath("config.json").is_file():
        return None
    return Run.open(Path(name))


def load_network(name: str, data_dir: Path, weights: Path | None = None) -> TrainedNetwork:
    """Loads the network that a command names.

    Args:
      name: name of a published model, or one of `ALIASES`, or the directory of a run.
      data_dir: where published weights are kept.
      weights: a file of other weights for the published model.

    Raises:
      UsageError: the name is none of these, the run is not of a classifier, or weights are given
        for a run.
      UserError: the network cannot be read.
    """
    name = ALIASES.get(name, name)
    if name in PUBLISHED:
        return load_published_network(name, data_dir, weights)
    if weights:
        raise UsageError(f"--weights needs a published model, one of {', '.join(PUBLISHED)}.")
    run = find_run(name)
    if run is None:
        known = ", ".join([*PUBLISHED, *ALIASES])
        raise UsageError(f"{name} is not the directory of a run, nor one of {known}.")
    return find_experiment(run.experiment).load_network(run)
