"""A linear classifier of digits.

python -m outside_package.linear
"""

import dataclasses

import flax.linen as nn

from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.inputs import IMAGE_INPUTS
from jaxdl.runs.launch import launch
from jaxdl.runs.options import ImageData, MachineOptions, RunOptions
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import ClassifierOptimization


class Linear(nn.Module):
    num_classes: int
    scale: float

    @nn.compact
    def __call__(self, images, *, train):
        pixels = images.reshape(images.shape[0], -1)
        return self.scale * nn.Dense(self.num_classes, name="head")(pixels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    scale: float = 1.0
    """Factor of the logits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    data: ImageData = ImageData()
    model: ModelOptions = ModelOptions()
    optimization: ClassifierOptimization = ClassifierOptimization(
        epochs=20, batch_size=20, learning_rate=1e-2
    )
    augmentation: ImageAugmentation = ImageAugmentation()
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()


PRESETS = {"quick": {"epochs": 10}}


def build_model(config, num_classes):
    return Linear(num_classes, config.model.scale)


EXPERIMENT = ClassifierExperiment("linear", Config, PRESETS, build_model, IMAGE_INPUTS)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
