"""What the networks of an experiment read, images or texts: from data sets and from a user."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from tokenizers import Tokenizer

from jaxdl.data import Dataset, load
from jaxdl.data.catalog import CATALOG
from jaxdl.data.pictures import read_picture
from jaxdl.data.tokenizer import checksum_of, load_tokenizer
from jaxdl.data.tokens import TOKENIZER, tokenise
from jaxdl.errors import UserError
from jaxdl.runs.networks import Reader, picture_reader, sentence_reader, stored_dtype
from jaxdl.runs.run import Run
from jaxdl.training.images import image_pipeline
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.text_batches import TEXT_PIPELINE


@dataclasses.dataclass(frozen=True)
class Examples:
    """The examples of a data set.

    Attributes:
      dataset: as it was loaded.
      encoded: the same as arrays of numbers: images as they are, texts as tokens.
      tokenizer: of the texts; None for images.
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


def load_images(config: Any) -> Examples:
    """Loads a data set of images."""
    data = config.data
    dataset = load(data.dataset, data.data_dir, data.validation_fraction)
    return Examples(dataset, dataset)


def load_texts(config: Any, tokenizer: Tokenizer | None = None) -> Examples:
    """Loads a data set of texts and tokenises it, by a new vocabulary if no tokenizer is given."""
    data = config.data
    dataset = load(data.dataset, data.data_dir, data.validation_fraction)
    vocabulary = data.vocabulary_size if tokenizer is None else tokenizer
    options = (data.data_dir, vocabulary, data.sequence_length, data.truncation)
    return Examples(dataset, *tokenise(dataset, *options))


def read_sentences(config: Any, run: Run) -> Reader:
    """Reads sentences by the tokenizer of a run, which must be that of its training."""
    data = config.data
    tokenizer = load_tokenizer(run.tokenizer)
    if run.data.get(TOKENIZER) != {"words": checksum_of(tokenizer)}:
        raise UserError(
            f"{run.tokenizer} is not the tokenizer of the training: restore the file, or make it "
            f"again with {run.command_to_resume}"
        )
    return sentence_reader(tokenizer, data.sequence_length, data.truncation, str(run.directory))


IMAGE_INPUTS = Inputs(
    load=load_images,
    pipeline=lambda config: image_pipeline(config.augmentation, config.run.seed),
    example_shapes=lambda config: {"image": CATALOG[config.data.dataset].image_shape},
    reader=lambda config, run: picture_reader(partial(read_picture, dataset=config.data.dataset)),
)

TEXT_INPUTS = Inputs(
    load=load_texts,
    pipeline=lambda config: TEXT_PIPELINE,
    example_shapes=lambda config: {"tokens": (config.data.sequence_length,), "length": ()},
    reader=read_sentences,
)
