"""A Vision Transformer that classifies small photographs, trained from scratch: module five.

    python -m experiments.vit
    python -m experiments.vit --preset quick

A stem of two convolutions with pooling makes a token of each patch of 4x4 pixels, an encoder with
sinusoidal positions compares the tokens, and a learned weighted mean of them is classified, as in a
Compact Convolutional Transformer (Hassani et al. 2021). The first command trains six blocks,
872,395 parameters, for 75 epochs on all 50,000 training images of CIFAR-10, shifted, mirrored and
mixed (CutMix). Muon updates the hidden matrices; the model of the last epoch is tested. With
``--precision bfloat16-products``, which is faster on processors that multiply bfloat16, expect a
test accuracy of 93.49 % (one seed, experiments/results/vit-cifar10.json) after three and a half
hours on one CPU core. The second command trains three blocks, 474,955 parameters, for three epochs
without mixing; expect 81.60 % (one seed, experiments/results/vit-quick-cifar10.json) after ten
minutes on two CPU cores without AVX-512. figures/attention.png of a run shows which parts of an
image the decision depends on.

``--preset imagenet --dataset FOLDER`` trains ViT-S/16 for 90 epochs (Beyer et al. 2022, "Better
plain ViT baselines for ImageNet-1k", but without RandAugment) on a TPU pod or a machine with eight
GPUs; FOLDER has train/CLASS/ and test/CLASS/.
"""

import dataclasses
from functools import partial
from typing import Literal

import jax

from jaxdl.analysis.attention_rollout import rollout_of_blocks
from jaxdl.data.augmentation import normalise
from jaxdl.data.catalog import image_shape_of
from jaxdl.models.vit import Pooling, Positions, Tokenizer, ViT
from jaxdl.runs import image_figures
from jaxdl.runs.classifier_experiment import ClassifierExperiment
from jaxdl.runs.drawing import FIGURES
from jaxdl.runs.experiment import Result
from jaxdl.runs.inputs import IMAGE_INPUTS
from jaxdl.runs.launch import launch
from jaxdl.runs.options import ImageData, MachineOptions, RunOptions
from jaxdl.training.images import ImageAugmentation
from jaxdl.training.optimization import (
    ClassifierOptimization,
    require,
    require_fractions,
    require_positive,
)

NUM_SHOWN = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    patch_size: Literal[2, 4, 7, 8, 14, 16] = 4
    """Side of a patch in pixels; it divides the side of the images."""
    tokenizer: Tokenizer = "convolutions"
    """How patches become tokens: by a linear map, or by 3x3 convolutions with pooling."""
    embed_dim: int = 128
    """Width of the embedding and of the blocks, a multiple of 4."""
    num_layers: int = 6
    """Number of encoder blocks."""
    num_heads: int = 2
    """Number of heads of each attention; it divides --embed-dim."""
    mlp_ratio: int = 2
    """Number of hidden units of each block's MLP, as a multiple of --embed-dim."""
    pooling: Pooling = "sequence"
    """What is classified: an extra token, the mean of the patches, or their weighted mean."""
    positions: Positions = "sincos"
    """How positions are encoded: by a learned table, or by fixed sines and cosines."""
    drop_path_rate: float = 0.1
    """Probability that the last block's attention or MLP is skipped; falls to 0 at the first."""
    remat: bool = False
    """Compute blocks again for the gradient, which saves memory."""
    dropout_rate: float = 0.0
    """Probability that an output of an attention or of an MLP is dropped in training."""

    def __post_init__(self) -> None:
        require_positive(self, "num_layers", "mlp_ratio")
        multiple = self.embed_dim >= 4 and self.embed_dim % 4 == 0
        require(self, "embed_dim", multiple, "a multiple of 4")
        divides = self.num_heads >= 1 and self.embed_dim % self.num_heads == 0
        require(self, "num_heads", divides, f"a divisor of --embed-dim, {self.embed_dim}")
        if self.tokenizer == "convolutions":
            is_power = self.patch_size.bit_count() == 1
            require(self, "patch_size", is_power, "a power of 2 for --tokenizer convolutions")
            narrowest = self.patch_size // 2
            fits = self.embed_dim % narrowest == 0
            require(self, "embed_dim", fits, f"a multiple of {narrowest}, half of --patch-size")
        require_fractions(self, "drop_path_rate", "dropout_rate")

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        return {"drop_path_rate": "--num-layers 1"} if self.num_layers == 1 else {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options; the defaults are those of the result above, but for the precision."""

    data: ImageData = ImageData(dataset="cifar10", validation_fraction=0.0)
    model: ModelOptions = ModelOptions()
    optimization: ClassifierOptimization = ClassifierOptimization(
        epochs=75,
        batch_size=128,
        learning_rate=3e-3,
        optimizer="muon",
        warmup_fraction=0.05,
        weight_decay=0.05,
        label_smoothing=0.1,
        ema_decay=0.999,
    )
    augmentation: ImageAugmentation = ImageAugmentation(flip=True, crop=4, cutmix=1.0)
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()

    def __post_init__(self) -> None:
        side = image_shape_of(self.data.dataset, self.data.image_size)[0]
        fits = side % self.model.patch_size == 0
        require(self.model, "patch_size", fits, f"a divisor of {side}, the side of the images")


PRESETS = {
    "quick": {
        "num_layers": 3,
        "drop_path_rate": 0.0,
        "epochs": 3,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "ema_decay": 0.99,
        "crop": 2,
        "cutmix": 0.0,
    },
    "imagenet": {
        "validation_fraction": 0.01,
        "image_size": 224,
        "stream": True,
        "resized_crop": 0.05,
        "crop": 0,
        "cutmix": 0.0,
        "mixup": 0.2,
        "patch_size": 16,
        "tokenizer": "patches",
        "pooling": "mean",
        "drop_path_rate": 0.0,
        "embed_dim": 384,
        "num_layers": 12,
        "num_heads": 6,
        "mlp_ratio": 4,
        "epochs": 90,
        "batch_size": 1024,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "warmup_fraction": 8 / 90,
        "label_smoothing": 0.0,
        "gradient_clip": 1.0,
        "ema_decay": 0.0,
        "precision": "bfloat16",
    },
}


def build_model(config: Config, num_classes: int) -> ViT:
    """Builds the network that the options describe."""
    return ViT(**dataclasses.asdict(config.model), num_classes=num_classes)


def draw_attention(result: Result) -> None:
    """Draws which parts of the first test images the model attends to."""
    images = result.dataset.test["image"][:NUM_SHOWN]
    apply = jax.jit(partial(result.model.apply, train=False, mutable=["intermediates"]))
    _, sown = apply(result.variables, normalise(images))
    rollout = rollout_of_blocks(sown["intermediates"], result.config.model.pooling == "token")
    predicted = result.logits[:NUM_SHOWN].argmax(-1)
    captions = [result.dataset.class_names[label] for label in predicted]
    path = result.run.figures / "attention.png"
    image_figures.attention_maps(images, rollout, captions, path)


EXPERIMENT = ClassifierExperiment(
    "vit", Config, PRESETS, build_model, IMAGE_INPUTS, figures=(*FIGURES, draw_attention)
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
