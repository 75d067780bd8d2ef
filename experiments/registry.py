"""Finds experiments by name.

A package of your own adds one by an entry point in its pyproject.toml:

    [project.entry-points."jaxdl.experiments"]
    mixer = "my_package.mixer:EXPERIMENT"

The same module is its command, ``python -m my_package.mixer``. It replaces an experiment of this
package that has the same name.
"""

import importlib
from importlib.metadata import entry_points

from jaxdl.errors import UsageError
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.run import EXPERIMENTS_OF_OTHERS

FROM_SCRATCH = (
    *("mlp", "cnn", "rnn", "lstm", "gan", "transformer", "resnet", "vit", "speedrun"),
    "language_model",
)
FROM_PUBLISHED_WEIGHTS = ("finetune", "linear_probe")
FITTED = ("ngrams",)
"""Experiments that are fitted, without epochs and without published weights."""


def find_experiment(name: str) -> Experiment:
    """Imports an experiment: one of this package, or one that an installed package provides.

    Raises:
      UsageError: there is no such experiment.
    """
    provided = {entry.name: entry for entry in entry_points(group=EXPERIMENTS_OF_OTHERS)}
    if name in provided:
        return provided[name].load()
    if name in FROM_SCRATCH + FROM_PUBLISHED_WEIGHTS + FITTED:
        return importlib.import_module(f"experiments.{name}").EXPERIMENT
    known = ", ".join([*FROM_SCRATCH, *FROM_PUBLISHED_WEIGHTS, *FITTED, *provided])
    raise UsageError(f"There is no experiment {name}, only {known}.")
