"""What is particular to images: options, augmentation, figures."""

import dataclasses
import math
from functools import partial
from typing import Literal

import jax
import numpy as np

from jaxdl.data import Dataset
from jaxdl.data.augmentation import (
    alternating_flip,
    cutout,
    normalise,
    random_affine,
    random_crop,
)
from jaxdl.data.mixing import cutmix, either, mixup
from jaxdl.runs import Run, figures
from jaxdl.training.classification import Batch, Inputs, Mix, Prepare, Task
from jaxdl.training.config import ClassifierConfig, require

SMALLEST_SIDE = 28
FLIP = 0x666C6970  # tells the keys of the flips from all others of a seed

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
class ImageConfig(ClassifierConfig):
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
    """Augmentation: mirror each image, left to right, in every other epoch."""
    crop: int = 0
    """Augmentation: largest random move in whole pixels, borders mirrored; 0 for none."""
    cutout: int = 0
    """Augmentation: side of a square that is blackened, in pixels; 0 for none."""

    mixup: float = 0.0
    """Augmentation: average two images, with weights from Beta(x, x); 0 for none."""
    cutmix: float = 0.0
    """Augmentation: cut from one image into another, shares from Beta(x, x); 0 for none."""
    test_time_augmentation: bool = False
    """Predict the mean of the logits of an image and of its mirror image."""

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        require(self, "shift", 0 <= self.shift < math.inf, "at least 0, and finite")
        require(self, "rotation", 0 <= self.rotation < 45, "at least 0 and below 45")
        require(self, "zoom", 0 <= self.zoom < 1, "at least 0 and below 1")
        require(self, "crop", 0 <= self.crop < SMALLEST_SIDE, f"0 to {SMALLEST_SIDE - 1}")
        for name in ("cutout", "mixup", "cutmix"):
            require(self, name, 0 <= getattr(self, name) < math.inf, "at least 0, and finite")


def image_task(config: ImageConfig) -> Task:
    """How stored images become inputs, augmented and mixed as the options say."""
    views = (view, view_mirrored) if config.test_time_augmentation else (view,)
    return Task(prepare_images(config), views, mix_images(config))


def view(batch: Batch) -> Inputs:
    """Images (batch, height, width, channels) as they are, float32 in [0, 1]."""
    return (normalise(batch["image"]),)


def view_mirrored(batch: Batch) -> Inputs:
    """The same, left to right."""
    return (normalise(batch["image"][:, :, ::-1]),)


def prepare_images(config: ImageConfig) -> Prepare:
    """Makes float32 images of uint8 ones, augmented at random."""
    first_flip_key = jax.random.fold_in(jax.random.key(config.seed), FLIP)

    def prepare(batch: Batch, key: jax.Array) -> Inputs:
        images = batch["image"]
        affine_key, crop_key, cutout_key = jax.random.split(key, 3)
        if config.flip:
            images = alternating_flip(images, first_flip_key, batch["index"], batch["epoch"])
        if config.crop:
            images = random_crop(images, crop_key, config.crop)
        if config.cutout:
            images = cutout(images, cutout_key, config.cutout)
        amounts = {"shift": config.shift, "rotation": config.rotation, "zoom": config.zoom}
        return (random_affine(normalise(images), affine_key, **amounts),)

    return prepare


def mix_images(config: ImageConfig) -> Mix | None:
    """Mixup or CutMix or, (micro-)batch by (micro-)batch, one of the two."""
    ways = [partial(mixup, alpha=config.mixup)] if config.mixup else []
    ways += [partial(cutmix, alpha=config.cutmix)] if config.cutmix else []
    if not ways:
        return None
    way = either(*ways) if len(ways) == 2 else ways[0]

    def mix(inputs: Inputs, key: jax.Array) -> tuple[Inputs, jax.Array, jax.Array]:
        images, partners, shares = way(*inputs, key)
        return (images,), partners, shares

    return mix


def draw_image_figures(run: Run, dataset: Dataset, logits: np.ndarray) -> None:
    """Predictions with the worst mistakes, and the confusion matrix, of the test split."""
    images, labels = dataset.test["image"], dataset.test["label"]
    probabilities = np.asarray(jax.nn.softmax(logits))
    names = dataset.class_names
    figures.predictions(images, labels, probabilities, names, run.figures / "predictions.png")
    figures.confusion_matrix(labels, logits.argmax(-1), names, run.figures / "confusion.png")
