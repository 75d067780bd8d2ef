"""Fine-tunes a published network on a new task: transfer learning, the end of module five.

    python -m experiments.finetune
    python -m experiments.finetune --model resnet50 --dataset cifar10

The first command fine-tunes MiniLM, 22,566,146 parameters, on the film reviews of IMDB: a head is
fitted to the features of some reviews in the frozen encoder, then all layers but the first blocks
are trained, with smaller learning rates for layers nearer to the input. Expect a test accuracy of
92.1 % (experiments/results/finetune-minilm-imdb.json); that run took two and a half hours on two
CPU cores, on which tests ran too. experiments/linear_probe.py fits the head only.
"""

import dataclasses

import flax.linen as nn

from jaxdl.pretrained import ModelName
from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.drawing import FIGURES
from jaxdl.runs.inputs import Examples
from jaxdl.runs.launch import launch
from jaxdl.runs.options import MachineOptions, RunOptions
from jaxdl.runs.published import (
    PUBLISHED_INPUTS,
    PublishedData,
    build_published,
    fit_probe,
    load_encoder,
    published_pipeline,
    reads_texts,
)
from jaxdl.training.finetuning import PretrainedStart
from jaxdl.training.layers import HEAD
from jaxdl.training.optimization import ClassifierOptimization, require, require_fractions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    model: ModelName = "minilm"
    """Published model to start from."""
    dropout_rate: float = 0.0
    """Probability that a unit of a text model is dropped in training."""

    def __post_init__(self) -> None:
        require_fractions(self, "dropout_rate")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimization(ClassifierOptimization):
    """How the parameters are trained."""

    head_examples: int = 2048
    """Number of examples to whose features the head is fitted first; 0 for all."""
    frozen_blocks: int = 2
    """Number of first blocks that, like all that comes before them, are not trained."""
    layer_decay: float = 0.9
    """Learning rate of a block, as a fraction of that of the block after it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("head_examples", "frozen_blocks"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "layer_decay", 0 < self.layer_decay <= 1, "above 0, and at most 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training examples are changed at random."""

    flip: bool = True
    """Mirror each photograph left to right in every other epoch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options; the defaults are those of the result above."""

    data: PublishedData = PublishedData()
    model: ModelOptions = ModelOptions()
    optimization: Optimization = Optimization(
        epochs=1, batch_size=32, learning_rate=1e-4, warmup_fraction=0.1, weight_decay=0.01
    )
    augmentation: Augmentation = Augmentation()
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()

    def __post_init__(self) -> None:
        self.data.require_fit(self.model.model)

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        model = self.model.model
        unused = "flip" if reads_texts(model) else "dropout_rate"
        return self.data.ignored_by(model) | {unused: f"--model {model}"}


def build_model(config: Config, num_classes: int) -> nn.Module:
    """Builds the published network with a new head."""
    dropout = {"dropout_rate": config.model.dropout_rate} if reads_texts(config.model.model) else {}
    return build_published(config, num_classes, **dropout)


def start_from_published(config: Config, examples: Examples) -> PretrainedStart:
    """Loads the published encoder and fits a head to its features."""
    options, encoder = config.optimization, load_encoder(config)
    head = fit_probe(config, encoder, examples.encoded, options.head_examples)
    variables = encoder | {"params": encoder["params"] | {HEAD: head}}
    return PretrainedStart(variables, options.layer_decay, options.frozen_blocks)


EXPERIMENT = ClassifierExperiment(
    "finetune",
    Config,
    {},
    build_model,
    dataclasses.replace(
        PUBLISHED_INPUTS,
        pipeline=lambda config: published_pipeline(config, config.augmentation.flip),
    ),
    figures=FIGURES,
    start=start_from_published,
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
