"""A residual network that classifies small photographs: module five of the tutorial.

    python -m experiments.resnet
    python -m experiments.resnet --preset quick

The first command trains ResNet-20, 269,722 parameters, for 60 epochs on all 50,000 training images
of CIFAR-10, mirrored and shifted; the model of the last epoch is tested on each image and its
mirror image. Expect a test accuracy of 91.86 % (one seed, experiments/results/resnet-cifar10.json;
91.25 % in the paper after 164 epochs, on the images alone) after about three hours on two CPU cores
without AVX-512. With ``--optimizer sgd`` give ``--batch-size 128 --learning-rate 0.1 --weight-decay
5e-4``. The second command trains the same network for three epochs; expect a test accuracy of
82.20 % (one seed, experiments/results/resnet-quick-cifar10.json) after ten minutes on the same
cores.

``--preset imagenet --dataset FOLDER`` trains ResNet-50 by the usual recipe (He et al. 2015 with the
strides of v1.5, 90 epochs, batches of 1,024) on a TPU pod or a machine with eight GPUs; FOLDER has
train/CLASS/ and test/CLASS/, or give tfds:imagenet2012.

``--no-residual`` removes the shortcuts: figures/residual.png of the second of two runs that differ
only in this shows what the shortcuts contribute, most of all with ``--depth 56``.
"""

import dataclasses
from typing import Literal

from jaxdl.models.resnet import RESNETS, Norm, ResNet, Stem
from jaxdl.runs import Run, image_figures
from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.drawing import FIGURES
from jaxdl.runs.experiment import Result
from jaxdl.runs.inputs import IMAGE_INPUTS
from jaxdl.runs.launch import launch
from jaxdl.runs.options import ImageData, MachineOptions, RunOptions
from jaxdl.runs.run import readable_runs
from jaxdl.runs.seeds import same_result
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import ClassifierOptimization


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    depth: Literal[*RESNETS] = 20
    """Number of layers: 20, 32, 44, 56, 110 as in the paper for CIFAR, or 8; else for ImageNet."""
    stem: Stem = "small"
    """First layers: a 3x3 convolution, or for large pictures a 7x7 one with stride and pooling."""
    residual: bool = True
    """Whether blocks have shortcuts."""
    normalisation: Norm = "batch"
    """Whether to normalise over the batch, or over groups of channels of each image."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options; the defaults train the paper's network for CIFAR-10."""

    data: ImageData = ImageData(dataset="cifar10", validation_fraction=0.0)
    model: ModelOptions = ModelOptions()
    optimization: ClassifierOptimization = ClassifierOptimization(
        epochs=60, batch_size=64, learning_rate=0.01, optimizer="muon", weight_decay=0.02
    )
    augmentation: ImageAugmentation = ImageAugmentation(flip=True, crop=4, test_time_views=2)
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()


PRESETS = {
    "quick": {
        "epochs": 3,
        "learning_rate": 0.015,
        "weight_decay": 0.1,
        "crop": 2,
        "test_time_views": 1,
    },
    "imagenet": {
        "validation_fraction": 0.01,
        "image_size": 224,
        "stream": True,
        "resized_crop": 0.08,
        "crop": 0,
        "test_time_views": 1,
        "depth": 50,
        "stem": "large",
        "epochs": 90,
        "batch_size": 1024,
        "optimizer": "sgd",
        "learning_rate": 0.4,
        "weight_decay": 1e-4,
        "warmup_fraction": 5 / 90,
        "label_smoothing": 0.1,
        "precision": "bfloat16",
    },
}


def build_model(config: Config, num_classes: int) -> ResNet:
    """Builds the network that ``--depth`` names."""
    options = dataclasses.asdict(config.model)
    return RESNETS[options.pop("depth")](**options, num_classes=num_classes)


def draw_residual(result: Result) -> None:
    """Draws the learning curves of the run beside those of its counterpart, if there is one."""
    other = find_counterpart(result.run)
    if other:
        records = {
            "with shortcuts" if run.options["residual"] else "without shortcuts": run.read_metrics()
            for run in (result.run, other)
        }
        image_figures.compared_curves(records, result.run.figures / "residual.png")


def find_counterpart(run: Run) -> Run | None:
    """Finds the newest finished run that differs in its shortcuts only, if there is one."""
    wanted = run.options | {"residual": not run.options["residual"]}
    summaries = sorted(run.directory.parent.glob("*/summary.json"), reverse=True)
    others = readable_runs(summary.parent for summary in summaries)
    return next((other for other in others if same_result(other.options, wanted)), None)


EXPERIMENT = ClassifierExperiment(
    "resnet", Config, PRESETS, build_model, IMAGE_INPUTS, figures=(*FIGURES, draw_residual)
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
