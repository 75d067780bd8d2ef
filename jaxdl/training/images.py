"""Images as inputs: augmentation options, and the pipeline that they make."""

import dataclasses
import math
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from jaxdl.data.augmentation import (
    alternating_flip,
    color_jitter,
    cutout,
    normalise,
    random_affine,
    random_crop,
)
from jaxdl.data.mixing import cutmix, either, mixup
from jaxdl.randomness import Purpose, key_for
from jaxdl.training.optimization import require
from jaxdl.training.pipeline import Batch, InputPipeline, Mix, MixLabels, ModelInputs, no_mixing

SMALLEST_SIDE = 28


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageAugmentation:
    """How training images are changed at random, and test images before prediction."""

    shift: float = 0.0
    """Largest random shift, in pixels."""
    rotation: float = 0.0
    """Largest random rotation, in degrees."""
    zoom: float = 0.0
    """Largest random relative change of size."""
    flip: bool = False
    """Mirror each image left to right in every other epoch."""
    crop: int = 0
    """Largest random shift by whole pixels, with reflected borders."""
    color_jitter: float = 0.0
    """Largest random relative change of brightness, contrast and saturation."""
    cutout: int = 0
    """Side of a random square that is blackened, in pixels."""
    mixup: float = 0.0
    """Average pairs of images with weights from Beta(x, x); 0 for none."""
    cutmix: float = 0.0
    """Paste a rectangle of one image into another, with areas from Beta(x, x); 0 for none."""
    resized_crop: float = 0.0
    """Smallest fraction of your own picture in a random crop; 0 trains on the central square."""
    test_time_views: Literal[1, 2, 6] = 1
    """Test-time augmentation: average the logits of the image; 2 adds its mirror, 6 also shifts."""

    def __post_init__(self) -> None:
        require(self, "shift", 0 <= self.shift < math.inf, "at least 0, and finite")
        require(self, "rotation", 0 <= self.rotation < 45, "at least 0 and below 45")
        require(self, "zoom", 0 <= self.zoom < 1, "at least 0 and below 1")
        require(self, "color_jitter", 0 <= self.color_jitter <= 1, "0 to 1")
        require(self, "crop", 0 <= self.crop < SMALLEST_SIDE, f"0 to {SMALLEST_SIDE - 1}")
        require(self, "resized_crop", 0 <= self.resized_crop <= 1, "0 to 1")
        for name in ("cutout", "mixup", "cutmix"):
            require(self, name, 0 <= getattr(self, name) < math.inf, "at least 0, and finite")


def image_pipeline(options: ImageAugmentation, seed: int) -> InputPipeline:
    """Builds the pipeline that turns "image", uint8 (batch, height, width, channels), into inputs.

    Args:
      options: options of the augmentation.
      seed: decides which images are mirrored in the first epoch.
    """
    first_flip_key = key_for(Purpose.FLIP, seed)

    def augment(batch: Batch, key: jax.Array) -> ModelInputs:
        images = batch["image"]
        affine_key, crop_key, cutout_key, color_key = jax.random.split(key, 4)
        if options.flip:
            images = alternating_flip(images, first_flip_key, batch["index"], batch["epoch"])
        if options.crop:
            images = random_crop(images, crop_key, options.crop)
        images = normalise(images)
        if options.color_jitter:
            images = color_jitter(images, color_key, options.color_jitter)
        amounts = {"shift": options.shift, "rotation": options.rotation, "zoom": options.zoom}
        images = random_affine(images, affine_key, **amounts)
        if options.cutout:
            images = cutout(images, cutout_key, options.cutout)
        return (images,)

    return InputPipeline(
        preprocess=preprocess_images,
        augment=augment,
        mix=mix_images(options),
        test_time=OTHER_VIEWS[options.test_time_views],
    )


def preprocess_images(batch: Batch, mirrored: bool = False, shift: int = 0) -> ModelInputs:
    """Scales images to float32 in [0, 1], mirrored and shifted if asked.

    Args:
      batch: has "image", uint8 (batch, height, width, channels).
      mirrored: whether to mirror them left to right.
      shift: number of pixels by which to shift them upwards and to the left, or if negative
        downwards and to the right; the borders are reflected.
    """
    images = batch["image"][:, :, ::-1] if mirrored else batch["image"]
    if shift:
        low, high = max(0, -shift), max(0, shift)
        rows, columns = images.shape[1:3]
        images = jnp.pad(images, ((0, 0), (low, high), (low, high), (0, 0)), mode="reflect")
        images = images[:, high : high + rows, high : high + columns]
    return (normalise(images),)


MIRRORED = partial(preprocess_images, mirrored=True)
SHIFTED = tuple(
    partial(preprocess_images, mirrored=mirrored, shift=shift)
    for shift in (1, -1)
    for mirrored in (False, True)
)
OTHER_VIEWS = {1: (), 2: (MIRRORED,), 6: (MIRRORED, *SHIFTED)}
"""Preprocessings whose logits are averaged with those of the image itself, by the number of all.

The six resemble those of Jordan 2024, section 3.5, who mirrors the shifted images instead of
shifting the mirrored ones, and gives the two unshifted ones twice the weight of the others.
"""


def mix_images(options: ImageAugmentation) -> Mix:
    """Returns the mixing: mixup, CutMix, one of the two at random per (micro-)batch, or none."""
    ways = [partial(mixup, alpha=options.mixup)] if options.mixup else []
    ways += [partial(cutmix, alpha=options.cutmix)] if options.cutmix else []
    if not ways:
        return no_mixing
    way = either(*ways) if len(ways) == 2 else ways[0]

    def mix(inputs: ModelInputs, key: jax.Array) -> tuple[ModelInputs, MixLabels]:
        images, mix_labels = way(*inputs, key)
        return (images,), mix_labels

    return mix
