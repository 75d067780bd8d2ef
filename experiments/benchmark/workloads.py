"""Defines for each model the data and the optimizer that all contestants share."""

import dataclasses
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from experiments.benchmark.contestants import PICTURES
from experiments.benchmark.jpeg_files import jpeg_files

Arrays = dict[str, np.ndarray]
Precision = Literal["float32", "bfloat16", "bfloat16-products"]
"""The last two differ for ours only; peers have one mixed precision, to which both refer."""

VOCABULARY_SIZE = 10_000
SEQUENCE_LENGTH = 200
NOISE_SIZE = 100


@dataclasses.dataclass(frozen=True)
class Workload:
    """Describes one model and its training.

    Attributes:
      name: name of the model.
      batch_size: the tutorial's, or one that is usual for the model.
      input: "image" (uint8), "tokens" (int32), or "files" (of pictures, to be read only).
      input_shape: shape of one example.
      num_classes: number of classes.
      optimizer: "adam" with a learning rate of 1e-3, or "sgd" with 0.1 and Nesterov's
        momentum of 0.9.
    """

    name: str
    batch_size: int
    input: Literal["image", "tokens", "files"]
    input_shape: tuple[int, ...]
    num_classes: int
    optimizer: Literal["adam", "sgd"] = "adam"


DIGITS = (28, 28, 1)
PHOTOGRAPHS = (32, 32, 3)
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("mlp", 32, "image", DIGITS, 10),
        Workload("cnn", 32, "image", DIGITS, 10),
        Workload("rnn", 32, "tokens", (SEQUENCE_LENGTH,), 2),
        Workload("lstm", 32, "tokens", (SEQUENCE_LENGTH,), 2),
        Workload("gru", 32, "tokens", (SEQUENCE_LENGTH,), 2),
        Workload("transformer", 32, "tokens", (SEQUENCE_LENGTH,), 2),
        Workload("gan", 64, "image", DIGITS, 10),
        Workload("resnet20", 64, "image", PHOTOGRAPHS, 10, "sgd"),
        Workload("resnet18", 64, "image", PHOTOGRAPHS, 10, "sgd"),
        Workload("speedrun", 512, "image", PHOTOGRAPHS, 10, "sgd"),
        Workload("vit", 64, "image", PHOTOGRAPHS, 10),
    )
}
READING = Workload(PICTURES, 256, "files", (224, 224, 3), 100)
"""Reads crops as for a training on ImageNet, from files about as large as those of ImageNet."""


def workload_of(model: str) -> Workload:
    """Returns the workload of a model, or of reading pictures."""
    return READING if model == PICTURES else WORKLOADS[model]


class Pipeline(Protocol):
    """Reads batches of one framework, to be timed."""

    def read(self, batches: int) -> None:
        """Reads a number of batches: uint8 images, cropped at random and resized, and labels."""


class Contestant(Protocol):
    """Trains and applies a model of one framework, to be timed.

    Attributes:
      parameters: number of trainable values, compared with ours: without the second bias that
        some frameworks give to a recurrent cell. Only in the candidate of a GRU is it not redundant
        beside the first.
    """

    parameters: int

    def train(self, steps: int) -> None:
        """Makes a number of train steps, each on another batch, and waits for the last."""

    def predict(self) -> None:
        """Computes the outputs of one batch, without dropout, and waits for them."""


Build = Callable[[Workload, Arrays, int, Precision], Contestant | Pipeline]


def random_data(workload: Workload, examples: int) -> Arrays:
    """Returns random examples with the shapes and dtypes of the real ones.

    The "image" is uint8 (examples, height, width, channels), the "tokens" are int32
    (examples, time) from 1 to below the size of the vocabulary, without padding, the "file" is the
    path of a JPEG, and the "label" is int32 (examples,).
    """
    if workload.input == "files":
        return jpeg_files(workload.num_classes)
    random = np.random.default_rng(0)
    shape = (examples, *workload.input_shape)
    if workload.input == "image":
        inputs = random.integers(0, 256, shape, np.uint8)
    else:
        inputs = random.integers(1, VOCABULARY_SIZE, shape, np.int32)
    labels = random.integers(0, workload.num_classes, examples, np.int32)
    return {workload.input: inputs, "label": labels}
