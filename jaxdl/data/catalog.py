"""The data sets there are. To add one: write its builder as in mnist.py, and a line here."""

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
    """

    version: str
    module: str
    builder: str

    def builder_class(self) -> Any:
        """Imports tensorflow-datasets, which takes a second, and gives the builder class."""
        return getattr(importlib.import_module(self.module), self.builder)


CATALOG = {
    "mnist": Entry("3.0.1", "jaxdl.data.mnist", "Mnist"),
    "fashion_mnist": Entry("3.0.1", "jaxdl.data.mnist", "FashionMnist"),
}

IMAGE_DATASETS = ("mnist", "fashion_mnist")
