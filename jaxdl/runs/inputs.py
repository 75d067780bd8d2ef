"""What the networks of an experiment read, images or texts: from data sets and from a user."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from tokenizers import Tokenizer

from jaxdl.data import Dataset, load
from jaxdl.data.catalog import CATALOG, image_shape_of
from jaxdl.data.own.loading import ReadOptions, load_own_images, load_own_texts
from jaxdl.data.own.reading import read_square
from jaxdl.data.pictures import read_picture
from jaxdl.data.tokenizer import checksum_of, load_tokenizer
from jaxdl.data.tokens import TOKENIZER, tokenise
from jaxdl.errors import UsageError, UserError
from jaxdl.nn.backend import is_cpu
from jaxdl.runs.memory import memory_for_data
from jaxdl.runs.networks import Reader, picture_reader, sentence_reader, stored_dtype
from jaxdl.runs.run import Run
from jaxdl.training.images import image_pipeline
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.processes import gather
from jaxdl.training.state import count_parameters
from jaxdl.training.text_batches import cut_text_pipeline

MOST_BYTES_OF_A_BATCH = 2**23
"""Largest total size of the stored images that a CPU predicts at once."""
SHOWN = 224 / 256
"""Side of the square predicted after training on random crops, relative to the largest square."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """The examples of a data set.

    Attributes:
      dataset: as it was loaded.
      encoded: the same as arrays of numbers: images as they are, texts as tokens.
      tokenizer: tokenizer of the texts; None for images.
    """

    dataset: Dataset
    encoded: Dataset
    tokenizer: Tokenizer | None = None


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a network reads. Each function takes the configuration of the experiment.

    Attributes:
      load: ``load(config)`` loads the data set.
      pipeline: ``pipeline(config)`` turns stored examples into inputs of the model.
      example_shapes: ``example_shapes(config)`` gives the shape of each feature of an example.
      reader: ``reader(config, run)`` reads a user's own image files or sentences.
    """

    load: Callable[[Any], Examples]
    pipeline: Callable[[Any], InputPipeline]
    example_shapes: Callable[[Any], dict[str, tuple[int, ...]]]
    reader: Callable[[Any, Run], Reader]

    def describe_example(self, config: Any) -> dict[str, jax.ShapeDtypeStruct]:
        """Gives shape and dtype of each feature of one example and of its label, (1, ...)."""
        shapes = self.example_shapes(config) | {"label": ()}
        return {
            name: jax.ShapeDtypeStruct((1, *shape), stored_dtype(name))
            for name, shape in shapes.items()
        }

    def count_parameters(self, config: Any, model: nn.Module) -> int:
        """Counts the trainable values of a network without initialising it."""
        inputs = jax.eval_shape(self.pipeline(config).preprocess, self.describe_example(config))
        init = partial(model.init, train=False)
        return count_parameters(jax.eval_shape(init, jax.random.key(0), *inputs)["params"])


def load_images(config: Any) -> Examples:
    """Loads a data set of images."""
    data = config.data
    most_bytes = gather(np.float32(memory_for_data())).min()  # processes must decide alike
    if data.dataset in CATALOG:
        if smallest_crop_of(config):
            raise UsageError("--resized-crop is for pictures of your own: give them by --dataset.")
        dataset = load(data.dataset, data.data_dir, data.validation_fraction)
    else:
        options = ReadOptions(
            data.label_column,
            data.skip_broken,
            side=data.image_size,
            stream=data.stream or smallest_crop_of(config) > 0,
        )
        where = (data.dataset, data.data_dir, data.validation_fraction)
        dataset = load_own_images(*where, options, most_bytes)
    dataset = with_crops(dataset, config)
    return Examples(dataset, dataset)


def smallest_crop_of(config: Any) -> float:
    """Returns --resized-crop, 0 for an experiment that has no such option."""
    return getattr(getattr(config, "augmentation", None), "resized_crop", 0.0)


def with_crops(dataset: Dataset, config: Any) -> Dataset:
    """Crops images while they are read, if the options ask for it.

    Training images are cropped at random, the others to their middle; see `SHOWN`.
    """
    smallest = smallest_crop_of(config)
    if not smallest:
        return dataset
    cropped = {
        "train": dataset.train["image"].with_random_crops(smallest, config.run.seed),
        "validation": dataset.validation["image"].of_the_middle(SHOWN),
        "test": dataset.test["image"].of_the_middle(SHOWN),
    }
    splits = {name: getattr(dataset, name) | {"image": images} for name, images in cropped.items()}
    checksums = {name: {"image": images.checksum} for name, images in cropped.items()}
    return dataclasses.replace(dataset, checksums=checksums, **splits)


def load_texts(config: Any, tokenizer: Tokenizer | None = None) -> Examples:
    """Loads a data set of texts and tokenises it, by a new vocabulary if no tokenizer is given."""
    data = config.data
    if data.dataset in CATALOG:
        dataset = load(data.dataset, data.data_dir, data.validation_fraction)
    else:
        options = ReadOptions(data.label_column, data.skip_broken, text_column=data.text_column)
        where = (data.dataset, data.data_dir, data.validation_fraction)
        dataset = load_own_texts(*where, options)
    vocabulary = data.vocabulary_size if tokenizer is None else tokenizer
    options = (data.data_dir, vocabulary, data.sequence_length, data.truncation)
    return Examples(dataset, *tokenise(dataset, *options))


def tokenizer_of(run: Run) -> Tokenizer:
    """Loads the tokenizer of a run; raises a UserError unless it is that of the training."""
    tokenizer = load_tokenizer(run.tokenizer)
    if run.data.get(TOKENIZER) != {"words": checksum_of(tokenizer)}:
        raise UserError(
            f"{run.tokenizer} is not the tokenizer of the training: restore the file, or make it "
            f"again with {run.command_to_resume}"
        )
    return tokenizer


def read_sentences(config: Any, run: Run) -> Reader:
    """Returns a reader of sentences, which uses the tokenizer of a run."""
    length, truncation = config.data.sequence_length, config.data.truncation
    return sentence_reader(tokenizer_of(run), length, truncation, str(run.directory))


def read_pictures(config: Any, run: Run) -> Reader:
    """Returns a reader of pictures, which reads them as those of the data set were read."""
    data = config.data
    if data.dataset in CATALOG:
        return picture_reader(partial(read_picture, dataset=data.dataset))
    shown = SHOWN if smallest_crop_of(config) else 1.0
    return picture_reader(partial(read_square, side=data.image_size, shown=shown))


def describe_image(config: Any) -> dict[str, tuple[int, ...]]:
    """Gives the shape of an image."""
    return {"image": image_shape_of(config.data.dataset, config.data.image_size)}


def build_image_pipeline(config: Any) -> InputPipeline:
    """Builds the image pipeline; a CPU predicts at most `MOST_BYTES_OF_A_BATCH` at once."""
    pipeline = image_pipeline(config.augmentation, config.run.seed)
    if not is_cpu():
        return pipeline
    most = max(1, MOST_BYTES_OF_A_BATCH // math.prod(describe_image(config)["image"]))
    size = min(pipeline.predict_batch_size, most)
    return dataclasses.replace(pipeline, predict_batch_size=size)


def build_text_pipeline(config: Any) -> InputPipeline:
    """Builds the pipeline of the texts, with a perturbation if the options name one."""
    perturbation = getattr(getattr(config, "augmentation", None), "perturbation", 0.0)
    return cut_text_pipeline(config.data.sequence_length, perturbation=perturbation)


IMAGE_INPUTS = Inputs(
    load=load_images,
    pipeline=build_image_pipeline,
    example_shapes=describe_image,
    reader=read_pictures,
)

TEXT_INPUTS = Inputs(
    load=load_texts,
    pipeline=build_text_pipeline,
    example_shapes=lambda config: {"tokens": (config.data.sequence_length,), "length": ()},
    reader=read_sentences,
)
