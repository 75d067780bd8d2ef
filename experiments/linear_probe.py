"""A linear probe: a new head on the frozen features of a published network.

    python -m experiments.linear_probe
    python -m experiments.linear_probe --model resnet50 --dataset cifar10 --examples 5000 \\
        --image-size 64

The features of the data in the frozen network are computed once and kept in ``--data-dir``, so that
a second probe takes seconds; the head is fitted to its optimum by L-BFGS. Expect a test accuracy of
74.8 % on CIFAR-10 from the second command, after a quarter of an hour on two idle CPU cores, most
of it for the features (experiments/results/linear-probe-resnet50-cifar10.json).
"""

import dataclasses
import time

import numpy as np
from jax.sharding import Mesh
from jax.typing import DTypeLike

from jaxdl.errors import UsageError
from jaxdl.pretrained import ModelName
from jaxdl.runs import Run
from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.drawing import draw_predictions
from jaxdl.runs.experiment import InitialTraining, Summary
from jaxdl.runs.launch import launch
from jaxdl.runs.lifecycle import create_or_resume_run, print_header
from jaxdl.runs.options import MachineOptions, RunOptions
from jaxdl.runs.published import (
    PUBLISHED_INPUTS,
    PublishedData,
    build_published,
    compute_features,
    fit_probe,
    load_encoder,
)
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.layers import HEAD
from jaxdl.training.optimization import require
from jaxdl.training.plan import Trained
from jaxdl.training.precision import Precision, dtype_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    model: ModelName = "minilm"
    """Published model whose features are probed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimization:
    """How the head is fitted."""

    examples: int = 0
    """Number of training examples to fit the head to; 0 for all."""
    precision: Precision = "float32"
    """Precision; GPUs and TPUs multiply float32 in TF32 or bfloat16, float32-highest in float32."""

    def __post_init__(self) -> None:
        require(self, "examples", self.examples >= 0, "at least 0")

    @property
    def dtype(self) -> DTypeLike:
        """Dtype of the computation."""
        return dtype_of(self.precision)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options of the probe."""

    data: PublishedData = PublishedData()
    model: ModelOptions = ModelOptions()
    optimization: Optimization = Optimization()
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()

    def __post_init__(self) -> None:
        self.data.require_fit(self.model.model)
        require(self.run, "seeds", self.run.seeds == 1, "1, because nothing in the fit is random")
        require(self.machine, "mesh", not self.machine.mesh, "left out: all devices share the work")


class LinearProbe(ClassifierExperiment):
    """An experiment that fits a head to fixed features."""

    def train(self, config: Config) -> tuple[Run, Summary]:
        """See `jaxdl.runs.experiment.Experiment.train`."""
        started = time.monotonic()
        if config.run.resume:
            raise UsageError("A linear probe cannot be resumed: start a new run without --resume.")
        examples, encoder = self.inputs.load(config), load_encoder(config)
        head = fit_probe(config, encoder, examples.encoded, config.optimization.examples)
        variables = encoder | {"params": encoder["params"] | {HEAD: head}}
        with create_or_resume_run(self.name, config, examples) as run:
            model = self.build_model(config, len(run.class_names))
            print_header(run, config, examples.dataset, model, self.count_parameters(config, model))
            with CheckpointStore(run.checkpoints) as store:
                store.save(0, training={"step": np.zeros(())}, model=variables)

            def predict(split: dict[str, np.ndarray], description: str) -> np.ndarray:
                features = compute_features(config, encoder, split, description)
                return features @ head["kernel"] + head["bias"]

            trained = Trained(
                variables,
                history=[],
                best_epoch=0,
                epochs=0,
                steps=0,
                steps_before=0,
                seconds_before=0.0,
                seconds_compile=0.0,
                examples_per_second=0.0,
            )
            return run, self.finish(run, config, examples, model, trained, predict, started)

    def init(
        self, config: Config, steps_per_epoch: int, mesh: Mesh, num_classes: int
    ) -> InitialTraining:
        """Raises a UsageError, because there is no train step."""
        raise UsageError("A linear probe is fitted by L-BFGS: it has no train step to compile.")


EXPERIMENT = LinearProbe(
    "linear_probe",
    Config,
    {},
    build_published,
    PUBLISHED_INPUTS,
    figures=(draw_predictions,),
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
