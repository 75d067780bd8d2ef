"""The data sets there are.

To add one: write its builder as in mnist.py and name it here; let the experiments that
take it choose it by ``--dataset``; for images, say in pictures.py what a user's own becomes.
"""

import dataclasses
import importlib
from typing import Any


@dataclasses.dataclass(frozen=True)
class Entry:
    """Where to find a data set.

    Attributes:
      version: of the records, as in its builder.
      module: that defines the builder; only imported when there are records to prepare.
      builder: name of the builder class, which has ``SOURCES``.
      config: of the builder, if it has one; a folder above that of the version.
      class_names: in full, if the builder abbreviates them.
      image_shape: (height, width, channels) of its images; None for texts.
    """

    version: str
    module: str
    builder: str
    config: str = ""
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None

    def builder_class(self) -> Any:
        """Imports tensorflow-datasets, which takes a second, and gives the builder class."""
        return getattr(importlib.import_module(self.module), self.builder)


CATALOG = {
    "mnist": Entry("3.0.1", "jaxdl.data.mnist", "Mnist", image_shape=(28, 28, 1)),
    "fashion_mnist": Entry("3.0.1", "jaxdl.data.mnist", "FashionMnist", image_shape=(28, 28, 1)),
    "cifar10": Entry("3.0.2", "jaxdl.data.cifar", "Cifar10", image_shape=(32, 32, 3)),
    "cifar100": Entry("3.0.2", "jaxdl.data.cifar", "Cifar100", image_shape=(32, 32, 3)),
    "imdb_reviews": Entry(
        "1.0.0", "jaxdl.data.imdb", "ImdbReviews", "plain_text", ("negative", "positive")
    ),
}

IMAGE_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
TEXT_DATASETS = ("imdb_reviews",)
