"""What all builders have in common.

To add a data set, subclass `Builder` as mnist.py does, then name the class in catalog.py. A
builder opens its source files itself and yields encoded bytes for each image; a numpy array, or
``dl_manager.extract``, would make tensorflow-datasets call TensorFlow.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from jaxdl.data.archives import chunks, regular_files
from jaxdl.data.catalog import CATALOG
from jaxdl.data.sources import Source, damaged
from jaxdl.errors import UserError, reason_of

FAST_COMPRESSION = 1
MOST_BYTES = 1 << 28


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A tfds builder whose source files are downloaded and checked before it runs.

    It finds them in ``dl_manager.manual_dir``.

    Attributes:
      SOURCES: places that have the files, the best one first.
      CLASS_NAMES: names of the labels 0, 1, ... in the records.
      DIGESTS: split name -> digest of its examples, where several sources have different files.
      HOMEPAGE: URL of the data set's page.
    """

    SOURCES: ClassVar[tuple[Source, ...]]
    CLASS_NAMES: ClassVar[tuple[str, ...]]
    DIGESTS: ClassVar[dict[str, str]] = {}
    HOMEPAGE: ClassVar[str]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "jaxdl.data.sources.obtain downloads the files of SOURCES."

    def _info(self) -> tfds.core.DatasetInfo:
        shape = CATALOG[self.name].image_shape
        name = "image" if shape else "text"
        features = {
            name: tfds.features.Image(shape=shape) if shape else tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=self.CLASS_NAMES),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=(name, "label"),
            homepage=self.HOMEPAGE,
        )

    def _check_digests(
        self, splits: dict[str, Any], digest: Callable[[Any], str], folder: Path
    ) -> None:
        """Raises UserError if a split, read from ``folder``, is not the published one."""
        for split, expected in self.DIGESTS.items():
            if digest(splits[split]) != expected:
                raise UserError(
                    f"{self.name}: the {split} examples in {folder} are not the published ones. "
                    "Delete that folder to download them again."
                )

    def _log_download_bytes(self) -> None:
        """Prints nothing, because jaxdl shows its own progress."""

    def _log_download_done(self) -> None:
        """Prints nothing, because the folder named here is a temporary one."""


def png(image: np.ndarray) -> bytes:
    """Encodes an image as a PNG file.

    Args:
      image: uint8 (height, width) or (height, width, 3).
    """
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png", compress_level=FAST_COMPRESSION)
    return buffer.getvalue()


def read_members(path: Path, is_wanted: Callable[[str], object]) -> Iterator[tuple[str, bytes]]:
    """Yields the names and the contents of regular files in a gzipped tar archive.

    Args:
      path: the archive.
      is_wanted: takes the name of a file, and returns whether to read it.

    Raises:
      UserError: the archive is damaged, or the files to read have more than `MOST_BYTES` in all.
    """
    total = 0
    try:
        for name, size, stream in regular_files(path):
            if is_wanted(name):
                total += size
                if total > MOST_BYTES:
                    raise ValueError("its members are too large")
                yield name, b"".join(chunks(stream))
    except Exception as error:  # a damaged archive can raise any error
        raise damaged(path, f"it cannot be unpacked: {reason_of(error)}") from error
