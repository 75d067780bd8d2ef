"""What is particular to images: options, augmentation, figures."""

import dataclasses
import math
from typing import Literal

import jax
import numpy as np

from jaxdl.data import Dataset
from jaxdl.data.augmentation import cutout, normalise, random_affine, random_crop, random_flip
from jaxdl.runs import Run, figures
from jaxdl.training.classification import Batch, Prepare
from jaxdl.training.config import TrainingConfig, require

SMALLEST_SIDE = 28

# The original tutorial trains its image classifiers all alike.
SEED_RECIPE = {
    "preset": "seed",
    "epochs": 5,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "optimizer": "adam",
    "schedule": "constant",
    "weight_decay": 0.0,
    "ema_decay": 0.0,
    "shift": 0.0,
    "rotation": 0.0,
    "zoom": 0.0,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageConfig(TrainingConfig):
    """Options of an image classifier."""

    dataset: Literal["mnist", "fashion_mnist", "cifar10", "cifar100"] = "mnist"
    """What to learn."""
    shift: float = 0.0
    """Augmentation: largest random shift, in pixels; 0 for none."""
    rotation: float = 0.0
    """Augmentation: largest random rotation, in degrees; 0 for none."""
    zoom: float = 0.0
    """Augmentation: largest random relative change of size; 0 for none."""
    flip: bool = False
    """Augmentation: mirror half of the images, left to right."""
    crop: int = 0
    """Augmentation: largest random move in whole pixels, borders mirrored; 0 for none."""
    cutout: int = 0
    """Augmentation: side of a square that is blackened, in pixels; 0 for none."""

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        require(self, "shift", 0 <= self.shift < math.inf, "at least 0, and finite")
        require(self, "rotation", 0 <= self.rotation < 45, "at least 0 and below 45")
        require(self, "zoom", 0 <= self.zoom < 1, "at least 0 and below 1")
        require(self, "crop", 0 <= self.crop < SMALLEST_SIDE, f"0 to {SMALLEST_SIDE - 1}")
        require(self, "cutout", self.cutout >= 0, "at least 0")


def prepare_images(config: ImageConfig) -> Prepare:
    """Makes float32 images of uint8 ones; with a key, it augments them at random."""

    def prepare(batch: Batch, key: jax.Array | None) -> tuple[jax.Array]:
        images = batch["image"]
        if key is None:
            return (normalise(images),)
        affine_key, flip_key, crop_key, cutout_key = jax.random.split(key, 4)
        if config.flip:
            images = random_flip(images, flip_key)
        if config.crop:
            images = random_crop(images, crop_key, config.crop)
        if config.cutout:
            images = cutout(images, cutout_key, config.cutout)
        amounts = {"shift": config.shift, "rotation": config.rotation, "zoom": config.zoom}
        return (random_affine(normalise(images), affine_key, **amounts),)

    return prepare


def draw_image_figures(run: Run, dataset: Dataset, logits: np.ndarray) -> None:
    """Predictions with the worst mistakes, and the confusion matrix, of the test split."""
    images, labels = dataset.test["image"], dataset.test["label"]
    probabilities = np.asarray(jax.nn.softmax(logits))
    names = dataset.class_names
    figures.predictions(images, labels, probabilities, names, run.figures / "predictions.png")
    figures.confusion_matrix(labels, logits.argmax(-1), names, run.figures / "confusion.png")
