"""CIFAR-10 by the recipe of the speed runs, in less than half an hour on two CPU cores.

    python -m experiments.speedrun
    python -m experiments.speedrun --preset quick
    python -m experiments.speedrun --preset gpu

A short network of wide convolutions, 1,971,328 parameters, is trained for sixteen epochs on all
50,000 training images, and the model of the last epoch is tested on six versions of each image.
Expect a test accuracy of 94.06 ± 0.14 % (three seeds, experiments/results/speedrun-cifar10.json)
after 24 to 29 minutes on two CPU cores with AVX512-BF16; without these instructions
``--precision float32`` is faster. The second command trains a network of half the width for four
epochs; expect 90.15 % (one seed, experiments/results/speedrun-quick-cifar10.json) after 7 minutes
on two CPU cores without AVX-512. The third, with batches of 1,024, is meant for a GPU and has not
been run on one yet.

From Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", come the network, a whitening
convolution that is computed instead of trained, kernels initialised as identities, images that are
mirrored in every other epoch, label smoothing, and test-time augmentation. These differ: the
optimizer, Muon for the kernels and Adam for all else instead of SGD, with no average of past
parameters; the learning rate, which climbs for a fifth of the steps and falls linearly to zero; and
sixteen epochs in batches of 512. The whitening has no bias, all six versions count equally, GELU is
approximated by tanh, and the head is initialised as Flax does it.

Batch normalisation makes the outputs independent of a kernel's norm, but the larger the norm, the
less an update of Muon, whose size is fixed, turns the kernel. Weight decay keeps the norms small.
Learning rate and weight decay were chosen with a network of half the width, by its accuracy on a
tenth of the training images, which was held out. The computation is in bfloat16, except in the
quick preset.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from jaxdl.data.augmentation import normalise
from jaxdl.models.speedrun import SpeedrunNet, whitening_of
from jaxdl.randomness import Purpose, key_for
from jaxdl.runs import figures
from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.drawing import FIGURES
from jaxdl.runs.experiment import Result
from jaxdl.runs.inputs import IMAGE_INPUTS, Examples
from jaxdl.runs.launch import launch
from jaxdl.runs.options import ImageData, MachineOptions, RunOptions
from jaxdl.training.finetuning import PretrainedStart
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import ClassifierOptimization, require_positive

WHITENED_PIXELS = 5_000 * 32 * 32
"""Number of pixels from which the whitening is computed: 5,000 images, as in the paper."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    width: int = 64
    """Number of channels of the first block; the others have four times as many."""

    def __post_init__(self) -> None:
        require_positive(self, "width")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options; the defaults are those of the result above."""

    data: ImageData = ImageData(dataset="cifar10", validation_fraction=0.0)
    model: ModelOptions = ModelOptions()
    optimization: ClassifierOptimization = ClassifierOptimization(
        epochs=16,
        batch_size=512,
        learning_rate=0.03,
        optimizer="muon",
        schedule="linear",
        label_smoothing=0.2,
        weight_decay=0.3,
        precision="bfloat16",
    )
    augmentation: ImageAugmentation = ImageAugmentation(flip=True, crop=2, test_time_views=6)
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()


PRESETS = {
    "quick": {
        "width": 32,
        "epochs": 4,
        "batch_size": 256,
        "learning_rate": 0.02,
        "precision": "float32",
    },
    "gpu": {"batch_size": 1024},
}


def build_model(config: Config, num_classes: int) -> SpeedrunNet:
    """Builds the network."""
    width = config.model.width
    return SpeedrunNet(features=(width, 4 * width, 4 * width), num_classes=num_classes)


def whiten(config: Config, examples: Examples) -> PretrainedStart:
    """Draws initial parameters, and computes the whitening from the training images."""
    images = examples.dataset.train["image"]
    count = max(1, WHITENED_PIXELS // math.prod(images.shape[1:3]))
    images = normalise(jnp.asarray(images[:count]))
    model = build_model(config, len(examples.dataset.class_names))
    init = jax.jit(lambda key, image: model.init(key, image, train=False))
    variables = init(key_for(Purpose.INIT, config.run.seed), images[:1])
    batch_stats = variables["batch_stats"] | {"stem_conv": whitening_of(images)}
    return PretrainedStart(variables | {"batch_stats": batch_stats})


def draw_filters(result: Result) -> None:
    """Draws the kernels of the whitening convolution."""
    kernel = result.variables["batch_stats"]["stem_conv"]["kernel"]
    figures.filters(kernel, result.run.figures / "filters.png")


EXPERIMENT = ClassifierExperiment(
    "speedrun",
    Config,
    PRESETS,
    build_model,
    IMAGE_INPUTS,
    figures=(*FIGURES, draw_filters),
    start=whiten,
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
