"""A linear probe: a new head on the frozen features of a published network.

    python -m experiments.linear_probe
    python -m experiments.linear_probe --model resnet50 --dataset cifar10 --examples 5000 \\
        --image-size 64

The frozen network's features of the data are computed once and kept in ``--data-dir``, so that
a second probe takes seconds; the head is fitted to its optimum by L-BFGS. Expect a test accuracy of
74.8 % on CIFAR-10 from the second command (experiments/results/linear-probe-resnet50-cifar10.json);
that run took half an hour, beside other work, most of it for the features.
"""

import dataclasses
from typing import Any

import numpy as np

from jaxdl.pretrained import ModelName
from jaxdl.runs.classifier_experiment import PredictLogits
from jaxdl.runs.drawing import draw_predictions
from jaxdl.runs.fitted_experiment import FittedExperiment
from jaxdl.runs.inputs import Examples
from jaxdl.runs.launch import launch
from jaxdl.runs.options import MachineOptions, RunOptions
from jaxdl.runs.published import (
    PUBLISHED_INPUTS,
    PublishedData,
    build_published,
    compute_features,
    fit_probe,
    load_encoder,
)
from jaxdl.training.layers import HEAD
from jaxdl.training.optimization import require
from jaxdl.training.precision import Precision


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

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        return self.data.ignored_by(self.model.model)


def fit_head(config: Config, examples: Examples) -> tuple[dict[str, Any], PredictLogits]:
    """Fits a head to the features of the published network."""
    encoder = load_encoder(config)
    head = fit_probe(config, encoder, examples.encoded, config.optimization.examples)

    def predict(split: dict[str, np.ndarray], description: str) -> np.ndarray:
        features = compute_features(config, encoder, split, description)
        return features @ head["kernel"] + head["bias"]

    return encoder | {"params": encoder["params"] | {HEAD: head}}, predict


EXPERIMENT = FittedExperiment(
    "linear_probe",
    Config,
    {},
    build_published,
    PUBLISHED_INPUTS,
    figures=(draw_predictions,),
    fit=fit_head,
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
