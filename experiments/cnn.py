"""A convolutional network that classifies handwritten digits: module two of the tutorial.

    python -m experiments.cnn
    python -m experiments.cnn --preset fashion

Two 3x3 convolutions, each pooled, and a dense layer with dropout: 225,034 parameters, trained on
MNIST with small random shifts, rotations and zooms of every image. Expect a test accuracy of
99.52 ± 0.02 % (five seeds, experiments/results/cnn-mnist.json) after about three minutes on two
CPU cores. The second command trains a small VGG, 435,754 parameters, on Fashion-MNIST, mirrored and
shifted by a pixel; expect 94.20 % (one seed, cnn-vgg-fashion-mnist.json) after twenty minutes on
one core.
"""

import dataclasses
from typing import Literal

import flax.linen as nn

from experiments.mlp import TUTORIAL
from jaxdl.models.cnn import CNN, VGG, LeNet5
from jaxdl.runs import figures
from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.drawing import FIGURES
from jaxdl.runs.experiment import Result
from jaxdl.runs.inputs import IMAGE_INPUTS
from jaxdl.runs.launch import launch
from jaxdl.runs.options import ImageData, MachineOptions, RunOptions
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import ClassifierOptimization, require_fractions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    architecture: Literal["cnn", "lenet5", "vgg"] = "cnn"
    """The tutorial's network, LeNet-5, or a small VGG."""
    dropout_rate: float = 0.5
    """Probability that a unit of the dense layer is dropped in training; LeNet-5 has no dropout."""

    def __post_init__(self) -> None:
        require_fractions(self, "dropout_rate")

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        is_lenet5 = self.architecture == "lenet5"
        return {"dropout_rate": "--architecture lenet5"} if is_lenet5 else {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options; the defaults are those of the result above."""

    data: ImageData = ImageData()
    model: ModelOptions = ModelOptions()
    optimization: ClassifierOptimization = ClassifierOptimization(
        epochs=15, batch_size=64, learning_rate=3e-3, weight_decay=0.02, ema_decay=0.999
    )
    augmentation: ImageAugmentation = ImageAugmentation(shift=2.0, rotation=10.0, zoom=0.1)
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()


PRESETS = {
    "tutorial": TUTORIAL,
    "quick": {
        "epochs": 2,
        "batch_size": 32,
        "learning_rate": 2e-3,
        "dropout_rate": 0.2,
        "ema_decay": 0.0,
        "shift": 1.0,
        "rotation": 5.0,
        "zoom": 0.05,
    },
    "fashion": {
        "dataset": "fashion_mnist",
        "validation_fraction": 0.1,
        "architecture": "vgg",
        "epochs": 16,
        "shift": 0.0,
        "rotation": 0.0,
        "zoom": 0.0,
        "flip": True,
        "crop": 1,
    },
}


def build_model(config: Config, num_classes: int) -> nn.Module:
    """Builds the network that ``--architecture`` names."""
    if config.model.architecture == "lenet5":
        return LeNet5(num_classes=num_classes)
    network = CNN if config.model.architecture == "cnn" else VGG
    return network(num_classes=num_classes, dropout_rate=config.model.dropout_rate)


def draw_filters(result: Result) -> None:
    """Draws the kernels of the first convolution."""
    kernel = result.variables["params"]["conv_0"]["kernel"]
    figures.filters(kernel, result.run.figures / "filters.png")


EXPERIMENT = ClassifierExperiment(
    "cnn", Config, PRESETS, build_model, IMAGE_INPUTS, figures=(*FIGURES, draw_filters)
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
