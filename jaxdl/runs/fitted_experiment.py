"""Experiments that fit a classifier by L-BFGS, without epochs."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.errors import UsageError
from jaxdl.runs.classifier_experiment import ClassifierExperiment, PredictLogits
from jaxdl.runs.experiment import InitialTraining, Summary
from jaxdl.runs.inputs import Examples
from jaxdl.runs.lifecycle import create_or_resume_run, print_header
from jaxdl.runs.run import Run
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.plan import Trained
from jaxdl.training.precision import require_precision
from jaxdl.training.processes import is_first


@dataclasses.dataclass(frozen=True, kw_only=True)
class FittedExperiment(ClassifierExperiment):
    """An experiment that fits a classifier by L-BFGS, without epochs.

    Attributes:
      fit: ``fit(config, examples)`` returns the variables of the network and
        ``predict(split, description)``, its logits of a split, float32 (examples, classes).
    """

    fit: Callable[[Any, Examples], tuple[dict[str, Any], PredictLogits]]

    def train(self, config: Any) -> tuple[Run, Summary]:
        """See `jaxdl.runs.experiment.Experiment.train`."""
        started = time.monotonic()
        require_precision(config.optimization.precision, jax.devices()[0])
        examples = self.inputs.load(config)
        variables, predict = self.fit(config, examples)
        with create_or_resume_run(self.name, config, examples) as run:
            model = self.network(config, len(run.class_names))
            parameters = self.inputs.count_parameters(config, model)
            print_header(run, config, examples.dataset, model, parameters)
            if is_first():
                shutil.rmtree(run.checkpoints, ignore_errors=True)  # of a resumed run
            with CheckpointStore(run.checkpoints) as store:
                store.save(0, training={"step": np.zeros((), np.int32)}, model=variables)
            results = (model, parameters, Trained(variables), predict, started)
            return run, self.finish(run, config, examples, *results)

    def init(
        self, config: Any, steps_per_epoch: int, mesh: Mesh, num_classes: int
    ) -> InitialTraining:
        """Raises a UsageError, because there is no train step."""
        raise UsageError(f"{self.name} is fitted by L-BFGS: it has no train step to compile.")
