"""Prepares the data of the original Keras tutorial; imports no framework that is timed."""

import numpy as np

from experiments.benchmark.workloads import SEQUENCE_LENGTH, VOCABULARY_SIZE, WORKLOADS, Arrays
from jaxdl.data import DEFAULT_DATA_DIR, Dataset, load
from jaxdl.data.tokens import tokenise


def load_data(model: str) -> Dataset:
    """Loads the data set of a model without holding out a validation split."""
    if WORKLOADS[model].input == "image":
        return load("mnist", DEFAULT_DATA_DIR, validation_fraction=0.0)
    dataset = load("imdb_reviews", DEFAULT_DATA_DIR, validation_fraction=0.0)
    return tokenise(dataset, DEFAULT_DATA_DIR, VOCABULARY_SIZE, SEQUENCE_LENGTH, "start")[0]


def inputs_of(split: Arrays) -> np.ndarray:
    """Returns float32 images in [0, 1], or int32 tokens with the padding in front."""
    if "image" in split:
        return split["image"].astype(np.float32) / 255
    positions = np.arange(SEQUENCE_LENGTH) - (SEQUENCE_LENGTH - split["length"])[:, None]
    tokens = np.take_along_axis(split["tokens"], positions.clip(0), axis=1)
    return np.where(positions < 0, 0, tokens)
