"""A trained network to be used: that of a run, or one that others have published."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np
from tokenizers import Tokenizer

from experiments import cnn, finetune, lstm, mlp, resnet, rnn, transformer, vit
from jaxdl.data.augmentation import normalise
from jaxdl.data.catalog import CATALOG
from jaxdl.data.pictures import read_picture
from jaxdl.data.tokenizer import Truncation, encode, load_tokenizer
from jaxdl.errors import UsageError, UserError
from jaxdl.models.resnet import ResNet
from jaxdl.nn import convolve_outside_loops
from jaxdl.pretrained import PUBLISHED, load_published, load_tokenizer_of
from jaxdl.runs import Run
from jaxdl.runs.command_line import from_options
from jaxdl.training.checkpoints import load_model
from jaxdl.training.classification import Batch, Inputs, Task
from jaxdl.training.classifier import predict_task
from jaxdl.training.image_classification import ImageConfig, image_task
from jaxdl.training.text_classification import (
    TEXT_TASK,
    TextConfig,
    cut_text_task,
    tokenizer_path,
)

TRAINED_FROM_SCRATCH = {
    "cnn": cnn,
    "lstm": lstm,
    "mlp": mlp,
    "resnet": resnet,
    "rnn": rnn,
    "transformer": transformer,
    "vit": vit,
}
EXPERIMENTS = TRAINED_FROM_SCRATCH | {"finetune": finetune}
ALIASES = {"sentiment": "distilbert-sst2", "similarity": "minilm"}
BATCH_SIZE = 32
IMAGES = {".png", ".jpg", ".jpeg"}


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A network that has learnt.

    Attributes:
      name: of the published model, or the directory of the run.
      model: called as ``model.apply(variables, *inputs, train=False)``.
      variables: "params" and "batch_stats".
      task: how examples become inputs.
      class_names: of its logits; empty if it gives none.
      read: image files or sentences as examples; raises UserError for what is neither.
      example_shapes: of each feature of an example.
    """

    name: str
    model: nn.Module
    variables: Any
    task: Task
    class_names: tuple[str, ...]
    read: Callable[[list[str]], dict[str, np.ndarray]]
    example_shapes: dict[str, tuple[int, ...]]

    def logits(self, examples: dict[str, np.ndarray]) -> np.ndarray:
        """Its logits, or vectors, of examples: float32 (examples, classes or size)."""
        at_once = min(BATCH_SIZE, len(next(iter(examples.values()))))
        task = dataclasses.replace(self.task, batch_size=at_once)
        logits = predict_task(self.model, task)(self.variables, examples, "predicting")
        return np.asarray(logits, np.float32)


def open_network(name: str, data_dir: Path, weights: Path | None = None) -> TrainedNetwork:
    """The network that a command names.

    Args:
      name: of a published model, or one of `ALIASES`, or the directory of a run.
      data_dir: where published weights are kept.
      weights: a file of other weights for the published model.

    Raises:
      UsageError: it is neither, or a run of an experiment that predicts nothing.
      UserError: it cannot be read.
    """
    name = ALIASES.get(name, name)
    if name in PUBLISHED:
        return open_published(name, data_dir, weights)
    if weights:
        raise UsageError(f"--weights needs a published model, one of {', '.join(PUBLISHED)}.")
    if not Path(name, "config.json").is_file():
        known = ", ".join([*PUBLISHED, *ALIASES])
        raise UsageError(f"{name} is not the directory of a run, nor one of {known}.")
    return open_run_of(Run.open(Path(name)))


def open_published(name: str, data_dir: Path, weights: Path | None = None) -> TrainedNetwork:
    """A published network as it was published, fetched if need be; errors as `open_network`."""
    published = PUBLISHED[name]
    model, variables = load_published(name, data_dir, weights)
    if isinstance(model, ResNet):
        model = model.clone(convolution=convolve_outside_loops)
    if published.reads == "image":

        def view(batch: Batch) -> Inputs:
            return (published.preprocessing(normalise(batch["image"])),)

        read = picture_reader(published.preprocessing.read)
        task = Task(lambda batch, key: view(batch), (view,))
        shapes = {"image": (published.preprocessing.side, published.preprocessing.side, 3)}
    else:
        task = cut_text_task(published.sequence_length)
        tokenizer = load_tokenizer_of(name, data_dir)
        read = sentence_reader(tokenizer, published.sequence_length, "end", name)
        shapes = {"tokens": (published.sequence_length,), "length": ()}
    return TrainedNetwork(name, model, variables, task, published.class_names, read, shapes)


def open_run_of(run: Run) -> TrainedNetwork:
    """The network that a run has trained; errors as `open_network`."""
    if run.experiment not in EXPERIMENTS:
        raise UsageError(f"{run.directory} is a run of {run.experiment}, which predicts nothing.")
    experiment = EXPERIMENTS[run.experiment]
    config = from_options(experiment.Config, run.options)
    if isinstance(config, finetune.Config):
        task, dataset = finetune.build_task(config), config.learned
    elif isinstance(config, ImageConfig):
        task, dataset = image_task(config), config.dataset
    else:
        task, dataset = TEXT_TASK, config.dataset
    if isinstance(config, TextConfig) or task.lengths:
        tokenizer = load_tokenizer(tokenizer_path(run))
        length, truncation = config.sequence_length, config.truncation
        read = sentence_reader(tokenizer, length, truncation, str(run.directory))
        shapes = {"tokens": (length,), "length": ()}
    else:
        read = picture_reader(partial(read_picture, dataset=dataset))
        shapes = {"image": CATALOG[dataset].image_shape}
    model = experiment.build_model(config, len(run.class_names))
    variables = load_model(run.checkpoints)
    return TrainedNetwork(str(run.directory), model, variables, task, run.class_names, read, shapes)


def picture_reader(
    read_one: Callable[[Path], np.ndarray],
) -> Callable[[list[str]], dict[str, np.ndarray]]:
    """Image files as examples; ``read_one(path)`` gives uint8 (height, width, channels)."""
    return lambda paths: {"image": np.stack([read_one(Path(path)) for path in paths])}


def sentence_reader(
    tokenizer: Tokenizer, length: int, truncation: Truncation, reader: str
) -> Callable[[list[str]], dict[str, np.ndarray]]:
    """Sentences as tokens; a sentence that is empty, or the name of an image, is a UserError."""

    def read(sentences: list[str]) -> dict[str, np.ndarray]:
        for sentence in sentences:
            if not sentence.strip():
                raise UserError("A sentence is empty: give some text.")
            if Path(sentence).suffix.lower() in IMAGES and " " not in sentence:
                raise UserError(f"{sentence} is an image, but {reader} reads sentences.")
        return encode(tokenizer, sentences, length, truncation)

    return read
