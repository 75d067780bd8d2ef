"""What all builders share. To add a data set: subclass `Builder` as mnist.py does, then name it
in catalog.py. A builder opens its source files itself and gives encoded bytes for each image;
a numpy array, or ``dl_manager.extract``, would make tensorflow-datasets call TensorFlow."""

import io
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxdl.data.sources import Source

FAST_COMPRESSION = 1


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A tfds builder whose source files are fetched, and checked, before it runs.

    It finds them in ``dl_manager.manual_dir``.

    Attributes:
      SOURCES: places that have the files, the best one first.
      HOMEPAGE: of the data set.
    """

    SOURCES: ClassVar[tuple[Source, ...]]
    HOMEPAGE: ClassVar[str]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "jaxdl.data.sources.obtain fetches the files of SOURCES."

    def _describe(
        self, name: str, feature: tfds.features.FeatureConnector, class_names: Sequence[str]
    ) -> tfds.core.DatasetInfo:
        """What tensorflow-datasets wants to know of one feature and the labels it is given."""
        features = {name: feature, "label": tfds.features.ClassLabel(names=class_names)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=(name, "label"),
            homepage=self.HOMEPAGE,
        )

    def _log_download_bytes(self) -> None:
        """Prints nothing, because jaxdl shows its own progress."""

    def _log_download_done(self) -> None:
        """Prints nothing, because the folder named here is a temporary one."""


def png(image: np.ndarray) -> bytes:
    """Encodes an image.

    Args:
      image: uint8 (height, width) or (height, width, 3).

    Returns:
      The bytes of a PNG file.
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", compress_level=FAST_COMPRESSION)
    return buffer.getvalue()
