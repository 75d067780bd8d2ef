"""The preprocessing of images for published networks."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxdl.data.pictures import read_photograph

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """The size, crop and normalisation of the images on which a network was trained.

    Attributes:
      mean: mean of each channel, in the network's order of channels, in [0, 1].
      std: standard deviation of each channel; the network's input is (pixel - mean) / std.
      blue_first: whether the network's channels are blue, green, red.
      shown: side of the central crop, as a fraction of the photograph's shorter side.
      resampling: how a photograph is resized.
      side: height and width of the images in pixels.
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    blue_first: bool = False
    shown: float = 0.875
    resampling: Image.Resampling = Image.Resampling.BILINEAR
    side: int = 224

    def read(self, path: Path) -> np.ndarray:
        """Reads an image file as uint8 (side, side, 3).

        Raises:
          UserError: the file is missing or not an image.
        """
        return read_photograph(path, self.side, self.shown, self.resampling)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Normalises images, float32 (batch, height, width, 3) in [0, 1], for the network."""
        if self.blue_first:
            images = images[..., ::-1]
        return (images - jnp.array(self.mean)) / jnp.array(self.std)


AS_TORCHVISION = Preprocessing()

# The mode "caffe" of Keras: pixels in 0..255 minus their mean, blue first, not scaled.
CAFFE = Preprocessing(
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255), std=(1 / 255,) * 3, blue_first=True
)
