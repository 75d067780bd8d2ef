"""A trained network, ready for a user's own images or sentences."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np
from flax.errors import FlaxError
from tokenizers import Tokenizer

from jaxdl.data.tokenizer import Truncation, encode
from jaxdl.errors import UserError, one_line
from jaxdl.training.classifier import make_predict_logits
from jaxdl.training.optimization import require
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.precision import Precision

PREDICT_BATCH_SIZE = 32
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg"}

Reader = Callable[[list[str]], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """A trained network.

    Attributes:
      name: name of the published model, or the directory of the run.
      model: called as ``model.apply(variables, *inputs, train=False)``.
      variables: "params" and "batch_stats".
      pipeline: turns examples into inputs.
      class_names: names of the classes of its logits; empty if it returns an embedding instead.
      read: reads image files or sentences as examples; raises UserError for anything else.
      example_shapes: shape of each feature of an example.
      precision: precision of the computation.
    """

    name: str
    model: nn.Module
    variables: Any
    pipeline: InputPipeline
    class_names: tuple[str, ...]
    read: Reader
    example_shapes: dict[str, tuple[int, ...]]
    precision: Precision = "float32"

    def logits(self, examples: dict[str, np.ndarray]) -> np.ndarray:
        """Computes logits, or embeddings, of examples: float32 (examples, classes or width).

        Raises:
          UserError: the variables do not fit the model, or the results are not finite.
        """
        most = min(PREDICT_BATCH_SIZE, self.pipeline.predict_batch_size)
        batch_size = min(most, len(next(iter(examples.values()))))
        pipeline = dataclasses.replace(self.pipeline, predict_batch_size=batch_size)
        predict = make_predict_logits(self.model, pipeline, precision=self.precision)
        try:
            logits = np.asarray(predict(self.variables, examples, "predicting"), np.float32)
        except FlaxError as error:
            raise UserError(
                f"The trained values of {self.name} do not fit its network: restore config.json."
            ) from error
        if not np.isfinite(logits).all():
            raise UserError(
                f"The predictions of {self.name} are not finite: its weights are damaged, or come "
                "from a training that failed."
            )
        return logits


def require_image_path(options: Any, name: str) -> None:
    """Raises a UsageError unless the option is None or the path of an image to be written."""
    path = getattr(options, name)
    fits = path is None or (path.suffix.lower() in IMAGE_SUFFIXES and path.parent.is_dir())
    require(options, name, fits, "a .png, .jpg or .jpeg file in a folder that exists")


def stored_dtype(feature: str) -> type[np.generic]:
    """Returns the dtype in which examples hold a feature: images are bytes, all else integers."""
    return np.uint8 if feature == "image" else np.int32


def picture_reader(read_one: Callable[[Path], np.ndarray]) -> Reader:
    """Returns a reader of image files; ``read_one(path)`` gives uint8 (height, width, channels)."""
    return lambda paths: {"image": np.stack([read_one(Path(path)) for path in paths])}


def sentence_reader(tokenizer: Tokenizer, length: int, truncation: Truncation, name: str) -> Reader:
    """Returns a reader that turns sentences into tokens; see `require_sentences`.

    Args:
      tokenizer: tokenizer of the network.
      length: number of tokens that the network sees.
      truncation: end at which a longer sentence is cut.
      name: name of the network, for messages.
    """

    def read(sentences: list[str]) -> dict[str, np.ndarray]:
        require_sentences(sentences, name)
        return encode(tokenizer, sentences, length, truncation)

    return read


def require_sentences(sentences: Sequence[str], name: str) -> None:
    """Refuses sentences that a network cannot read.

    Args:
      sentences: the user's sentences.
      name: name of the network, for messages.

    Raises:
      UserError: a sentence is empty, not in UTF-8, or the name of an image.
    """
    for sentence in sentences:
        if not sentence.strip():
            raise UserError("A sentence is empty: give some text.")
        if any("\ud800" <= character <= "\udfff" for character in sentence):
            raise UserError(f"A sentence is not in UTF-8, convert it: {one_line(sentence)}")
        if Path(sentence).suffix.lower() in IMAGE_SUFFIXES and " " not in sentence:
            raise UserError(f"{sentence} is an image, but {name} reads sentences.")
