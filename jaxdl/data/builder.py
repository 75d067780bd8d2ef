"""What all builders share. To add a data set: subclass `Builder` as mnist.py does, then name it
in catalog.py. A builder opens its source files itself and gives encoded bytes for each image;
a numpy array, or ``dl_manager.extract``, would make tensorflow-datasets call TensorFlow."""

import io
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
    """

    SOURCES: ClassVar[tuple[Source, ...]]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "jaxdl.data.sources.obtain fetches the files of SOURCES."

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
