"""A residual network that tells small photographs apart: module five.

    python -m experiments.resnet
    python -m experiments.resnet --preset quick
    python -m experiments.resnet --preset speedrun

The first trains ResNet-20, 269,722 parameters, on the real CIFAR-10, with mirrored and moved
images, for about an hour on two CPU cores; with ``--optimizer sgd`` give ``--learning-rate 0.1
--weight-decay 5e-4``. The second trains ResNet-8, 75,290 parameters; expect a test accuracy of
77 % (experiments/results/resnet-quick-cifar10.json) after about eight minutes on two cores.
The third is for a GPU: ResNet-18 in bfloat16, meant to reach 94 %; it has not been run yet.
``--no-residual`` takes the shortcuts away: figures/residual.png of the second of two runs that
differ only in this shows what they are worth, most at ``--depth 56``.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax

from jaxdl.data import load
from jaxdl.models.resnet import RESNETS, Norm, ResNet
from jaxdl.nn import convolve, convolve_outside_loops
from jaxdl.runs import Run, vision_figures
from jaxdl.runs.command_line import OF_THE_MACHINE, run_command
from jaxdl.training.allocation import keep_freed_memory
from jaxdl.training.classifier import train_classifier
from jaxdl.training.config import ClassifierConfig
from jaxdl.training.image_classification import ImageConfig, draw_image_figures, image_task
from jaxdl.training.launch import launch
from jaxdl.training.optimizers import OptimizerName
from jaxdl.training.report import open_run

PLACES = ("resume", "runs_dir", "data_dir", *OF_THE_MACHINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ImageConfig):
    """Options of a run."""

    preset: Literal["default", "quick", "speedrun"] = "default"
    """Options not given are for the paper's network, for minutes on a CPU, for 94 % on a GPU."""
    dataset: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"] = "cifar10"
    """What to learn."""
    depth: Literal[8, 20, 32, 44, 56, 110, 18, 34, 50, 101, 152] = 20
    """Layers; up to 110 the thin networks of the paper for CIFAR, else those for ImageNet."""
    residual: bool = True
    """Whether blocks have shortcuts."""
    normalisation: Norm = "batch"
    """Over the batch, or over groups of channels of each image."""
    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 5e-3
    optimizer: OptimizerName = "muon"
    weight_decay: float = 0.05
    dropout_rate: float = 0.0
    validation_fraction: float = 0.1
    flip: bool = True
    crop: int = 4


PRESETS = {
    "default": Config(),
    "quick": Config(preset="quick", depth=8, epochs=6, crop=2),
    "speedrun": Config(
        preset="speedrun",
        depth=18,
        epochs=16,
        batch_size=512,
        precision="bfloat16",
        label_smoothing=0.1,
        crop=2,
        cutout=8,
        test_time_augmentation=True,
    ),
}


def build_model(config: Config, num_classes: int) -> ResNet:
    """The network that ``--depth`` names, with the stem for small images."""
    return RESNETS[config.depth](
        stem="small",
        residual=config.residual,
        normalisation=config.normalisation,
        convolution=choose_convolution(config),
        num_classes=num_classes,
        dtype=config.dtype,
    )


def choose_convolution(config: ClassifierConfig) -> Callable[..., jax.Array]:
    """The form that is fast where the steps of a training stand."""
    in_a_loop = steps_are_looped() or config.micro_batches > 1
    return convolve if in_a_loop else convolve_outside_loops


def steps_are_looped() -> bool:
    """Whether many steps go into one call: not on CPU, where loops are slow to convolve widely."""
    return jax.default_backend() != "cpu"


def train(config: Config) -> tuple[Run, dict[str, Any]]:
    """Data, model, training, scores and figures of one run."""
    dataset = load(config.dataset, config.data_dir, config.validation_fraction)
    model = build_model(config, len(dataset.class_names))
    run = open_run("resnet", config, dataset)
    _, logits, summary = train_classifier(
        run, config, model, dataset, image_task(config), looped=steps_are_looped()
    )
    draw_image_figures(run, dataset, logits)
    other = find_counterpart(run)
    if other:
        records = {describe(each): each.read_metrics() for each in (run, other)}
        vision_figures.compared_curves(records, run.figures / "residual.png")
    return run, summary


def find_counterpart(run: Run) -> Run | None:
    """The newest finished run that differs in its shortcuts alone, if there is one."""
    wanted = run.options | {"residual": not run.options["residual"]}
    for summary in sorted(run.directory.parent.glob("*/summary.json"), reverse=True):
        other = Run.open(summary.parent)
        if all(other.options.get(name) == wanted[name] for name in wanted if name not in PLACES):
            return other
    return None


def describe(run: Run) -> str:
    """What to call a run beside its counterpart."""
    return "with shortcuts" if run.options["residual"] else "without shortcuts"


if __name__ == "__main__":
    keep_freed_memory()
    run_command(lambda: launch("resnet", PRESETS, train, description=__doc__))
