"""The catalog of data sets: all that other code has to know about each of them.

To add a data set, write its builder as in mnist.py and name it in `CATALOG`. ``--dataset``
takes its names from the catalog. If the images show a new kind of subject, pictures.py must also
know how to turn a user's own picture into such an image.
"""

import dataclasses
import pkgutil
from typing import Any, Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """The facts about a data set.

    Attributes:
      builder: ``MODULE:CLASS`` of the builder; only imported to prepare records.
      version: version of the records.
      config: name of the builder's only configuration, if it has one; the folder of the version is
        inside a folder of that name.
      num_train: number of training examples, including those for validation.
      num_classes: number of classes.
      class_names: the full names, if those in the records are abbreviated; else empty.
      image_shape: (height, width, channels) of the images; None for texts.
      subject: what the images show. A mirrored photograph is still one of the same class, a
        mirrored digit is not. None for texts.
    """

    builder: str
    version: str
    config: str = ""
    num_train: int
    num_classes: int
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    subject: Literal["digit", "garment", "photograph"] | None = None

    def builder_class(self) -> Any:
        """Returns the builder class; imports tensorflow-datasets, which takes a second."""
        return pkgutil.resolve_name(self.builder)


CATALOG = {
    "mnist": Entry(
        builder="jaxdl.data.mnist:Mnist",
        version="3.0.1",
        num_train=60_000,
        num_classes=10,
        image_shape=(28, 28, 1),
        subject="digit",
    ),
    "fashion_mnist": Entry(
        builder="jaxdl.data.mnist:FashionMnist",
        version="3.0.1",
        num_train=60_000,
        num_classes=10,
        image_shape=(28, 28, 1),
        subject="garment",
    ),
    "cifar10": Entry(
        builder="jaxdl.data.cifar:Cifar10",
        version="3.0.2",
        num_train=50_000,
        num_classes=10,
        image_shape=(32, 32, 3),
        subject="photograph",
    ),
    "cifar100": Entry(
        builder="jaxdl.data.cifar:Cifar100",
        version="3.0.2",
        num_train=50_000,
        num_classes=100,
        image_shape=(32, 32, 3),
        subject="photograph",
    ),
    "imdb_reviews": Entry(
        builder="jaxdl.data.imdb:ImdbReviews",
        version="1.0.0",
        config="plain_text",
        num_train=25_000,
        num_classes=2,
        class_names=("negative", "positive"),
    ),
}

IMAGE_DATASETS = tuple(name for name, entry in CATALOG.items() if entry.image_shape)
TEXT_DATASETS = tuple(name for name, entry in CATALOG.items() if not entry.image_shape)


def image_shape_of(dataset: str, own_side: int) -> tuple[int, int, int]:
    """Returns (height, width, channels) of the images of a data set.

    Args:
      dataset: a key of `CATALOG`, or any other name for pictures of the user's own.
      own_side: side in pixels to which the user's own pictures are resized.
    """
    return CATALOG[dataset].image_shape if dataset in CATALOG else (own_side, own_side, 3)


def shows_photographs(dataset: str) -> bool:
    """Whether a data set shows photographs, as all pictures of a user's own are assumed to do."""
    return dataset not in CATALOG or CATALOG[dataset].subject == "photograph"
