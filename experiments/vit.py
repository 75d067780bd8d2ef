"""A Vision Transformer that tells small photographs apart, trained from scratch: module five.

    python -m experiments.vit
    python -m experiments.vit --preset quick

Patches of 4x4 pixels as tokens, encoder blocks, positions of waves and the mean of all
patches, on the real CIFAR-10, with mirrored and moved images, hidden matrices moved by Muon.
The first has six blocks, 802,698 parameters, and takes more than an hour on two CPU cores. The
second has four narrower ones, 305,002 parameters; expect a test accuracy of 65 %
(experiments/results/vit-quick-cifar10.json) after about seven minutes on two cores.
Look at figures/attention.png of a run: what the decision is made of.
"""

import dataclasses
from typing import Any, Literal

import jax
import numpy as np

from jaxdl.data import Dataset, load
from jaxdl.data.augmentation import normalise
from jaxdl.models.vit import Pooling, Positions, ViT
from jaxdl.runs import Run, vision_figures
from jaxdl.runs.command_line import run_command
from jaxdl.training.attention_rollout import rollout_of_blocks
from jaxdl.training.classifier import train_classifier
from jaxdl.training.config import require
from jaxdl.training.image_classification import ImageConfig, draw_image_figures, image_task
from jaxdl.training.launch import launch
from jaxdl.training.optimizers import OptimizerName
from jaxdl.training.report import open_run

NUM_SHOWN = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ImageConfig):
    """Options of a run."""

    preset: Literal["default", "quick"] = "default"
    """Options not given are for an hour or more, or for minutes, on two CPU cores."""
    dataset: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"] = "cifar10"
    """What to learn."""
    patch_size: Literal[2, 4, 7, 8, 14, 16] = 4
    """Side of a patch in pixels; it divides the side of the images."""
    size: int = 128
    """Of a token's vector, a multiple of 4."""
    num_blocks: int = 6
    """Encoder blocks."""
    num_heads: int = 4
    """Of each attention; they divide ``--size``."""
    pooling: Pooling = "mean"
    """What is read at the end: an extra token, or the mean of the patches."""
    positions: Positions = "sincos"
    """How a token knows its place: a learned table, or fixed waves."""
    drop_path_rate: float = 0.0
    """Probability that the last block is skipped in training; less for those before."""
    remat: bool = False
    """Compute blocks once more for the gradient, which saves memory."""
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 3e-3
    optimizer: OptimizerName = "muon"
    weight_decay: float = 0.05
    dropout_rate: float = 0.0
    validation_fraction: float = 0.1
    flip: bool = True
    crop: int = 4

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        require(self, "num_blocks", self.num_blocks >= 1, "at least 1")
        require(self, "size", self.size >= 4 and self.size % 4 == 0, "a multiple of 4")
        divides = self.num_heads >= 1 and self.size % self.num_heads == 0
        require(self, "num_heads", divides, f"a divisor of --size, {self.size}")
        require(self, "drop_path_rate", 0 <= self.drop_path_rate < 1, "at least 0 and below 1")


PRESETS = {
    "default": Config(),
    "quick": Config(preset="quick", size=96, num_blocks=4, num_heads=3, epochs=3, crop=2),
}


def build_model(config: Config, num_classes: int) -> ViT:
    """The network that the options name."""
    return ViT(
        patch_size=config.patch_size,
        size=config.size,
        num_blocks=config.num_blocks,
        num_heads=config.num_heads,
        mlp_ratio=2,
        pooling=config.pooling,
        positions=config.positions,
        drop_path_rate=config.drop_path_rate,
        dropout_rate=config.dropout_rate,
        remat=config.remat,
        num_classes=num_classes,
        dtype=config.dtype,
    )


def train(config: Config) -> tuple[Run, dict[str, Any]]:
    """Data, model, training, scores and figures of one run."""
    dataset = load(config.dataset, config.data_dir, config.validation_fraction)
    side = dataset.train["image"].shape[1]
    fits = side % config.patch_size == 0
    require(config, "patch_size", fits, f"a divisor of {side}, the side of the images")
    model = build_model(config, len(dataset.class_names))
    run = open_run("vit", config, dataset)
    trained, logits, summary = train_classifier(run, config, model, dataset, image_task(config))
    draw_image_figures(run, dataset, logits)
    draw_attention(run, config, model, trained.variables, dataset, logits)
    return run, summary


def draw_attention(
    run: Run, config: Config, model: ViT, variables: Any, dataset: Dataset, logits: np.ndarray
) -> None:
    """Where the model looks, on the first test images."""
    images = dataset.test["image"][:NUM_SHOWN]

    @jax.jit
    def blocks_of(images: jax.Array) -> dict[str, Any]:
        images = normalise(images)
        return model.apply(variables, images, train=False, mutable=["intermediates"])[1]

    rollout = rollout_of_blocks(blocks_of(images)["intermediates"], config.pooling == "token")
    captions = [dataset.class_names[label] for label in logits[:NUM_SHOWN].argmax(-1)]
    vision_figures.attention_maps(images, rollout, captions, run.figures / "attention.png")


if __name__ == "__main__":
    run_command(lambda: launch("vit", PRESETS, train, description=__doc__))
