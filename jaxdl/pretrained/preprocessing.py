"""What images go through before a published network sees them."""

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
    """How a network was taught to see: size, crop and colours.

    Attributes:
      mean: of each channel, in the order in which the network takes them, in [0, 1].
      std: likewise; the network sees (pixel - mean) / std.
      blue_first: whether the network takes blue, green, red.
      shown: share of the largest square in the middle of a photograph that is shown, by its side.
      resampling: how a photograph is made smaller.
      side: of the images, in pixels.
    """

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    blue_first: bool = False
    shown: float = 0.875
    resampling: Image.Resampling = Image.Resampling.BILINEAR
    side: int = 224

    def read(self, path: Path) -> np.ndarray:
        """An image file as uint8 (side, side, 3).

        Raises:
          UserError: the file is missing, or no image.
        """
        return read_photograph(path, self.side, self.shown, self.resampling)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps images, float32 (batch, height, width, 3) in [0, 1], to what the network takes."""
        if self.blue_first:
            images = images[..., ::-1]
        return (images - jnp.array(self.mean)) / jnp.array(self.std)


AS_TORCHVISION = Preprocessing()

# What Keras calls "caffe": pixels in 0..255 less their mean, blue first, not scaled.
CAFFE = Preprocessing(
    mean=(103.939 / 255, 116.779 / 255, 123.68 / 255), std=(1 / 255,) * 3, blue_first=True
)
