"""What is particular to texts: options, tokens, figures."""

import dataclasses
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from jaxdl.data import Dataset
from jaxdl.data.tokenizer import Truncation, save_tokenizer
from jaxdl.data.tokens import tokenise
from jaxdl.runs import Run, figures, text_figures
from jaxdl.training.classification import Batch, Inputs, Task
from jaxdl.training.config import ClassifierConfig, require

CUT = 64
"""Texts are cut to multiples of so many tokens."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(ClassifierConfig):
    """Options of a text classifier."""

    dataset: Literal["imdb_reviews"] = "imdb_reviews"
    """What to learn."""
    vocabulary_size: int = 10_000
    """Number of tokens: padding, the unknown word, and the most frequent words."""
    sequence_length: int = 200
    """Tokens of a text that the model sees."""
    truncation: Truncation = "start"
    """Which end of a longer text is cut off."""
    word_dropout_rate: float = 0.0
    """Probability that a word is taken out in training."""

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        require(self, "vocabulary_size", self.vocabulary_size >= 3, "at least 3")
        require(self, "sequence_length", self.sequence_length >= 1, "at least 1")
        rate = self.word_dropout_rate
        require(self, "word_dropout_rate", 0 <= rate < 1, "at least 0 and below 1")


def tokenise_for_run(dataset: Dataset, config: TextConfig, run: Run) -> Dataset:
    """The data set as tokens; the run keeps the tokenizer, so that it can predict by itself."""
    tokens, tokenizer = tokenise(
        dataset,
        config.data_dir,
        config.vocabulary_size,
        config.sequence_length,
        config.truncation,
    )
    save_tokenizer(tokenizer, tokenizer_path(run))
    return tokens


def tokenizer_path(run: Run) -> Path:
    """Where a run keeps its tokenizer."""
    return run.directory / "tokenizer.json"


def view_tokens(batch: Batch) -> Inputs:
    """The inputs of a text model: tokens int32 (batch, time), lengths int32 (batch,)."""
    return batch["tokens"], batch["length"]


def cut_text_task(sequence_length: int, batch_size: int = 32) -> Task:
    """Texts without the padding that all of a batch have, up to multiples of `CUT` tokens.

    Args:
      sequence_length: tokens of the longest texts.
      batch_size: texts to predict at once.
    """
    lengths = (*range(CUT, sequence_length, CUT), sequence_length)
    return dataclasses.replace(TEXT_TASK, lengths=lengths, batch_size=batch_size)


# Nothing is random: words are dropped in the model.
TEXT_TASK = Task(prepare=lambda batch, key: view_tokens(batch), views=(view_tokens,))


def draw_text_figures(run: Run, dataset: Dataset, logits: np.ndarray) -> None:
    """Confusion matrix and the most confident right and wrong texts of the test split."""
    texts, labels = dataset.test["text"], dataset.test["label"]
    probabilities = np.asarray(jax.nn.softmax(logits))
    names = dataset.class_names
    figures.confusion_matrix(labels, logits.argmax(-1), names, run.figures / "confusion.png")
    text_figures.confident_texts(texts, labels, probabilities, names, run.figures / "reviews.png")
