"""Turns a data set of texts into one of tokens, which is cached for the next start."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from jaxdl.data import arrays
from jaxdl.data.dataset import Dataset
from jaxdl.data.folders import folder_name
from jaxdl.data.texts import pack
from jaxdl.data.tokenizer import Tokenizer, Truncation, encode, train_tokenizer
from jaxdl.files import expand_home

READER = 1
"""Version of how texts become tokens; to be increased when that gives others."""
SPLITS = ("train", "validation", "test")
TOKENIZER = "tokenizer"
"""Name of the tokenizer beside those of the splits, in the cache and among a run's checksums."""


def tokenise(
    dataset: Dataset,
    data_dir: Path,
    vocabulary: int | Tokenizer,
    length: int,
    truncation: Truncation,
) -> tuple[Dataset, Tokenizer]:
    """Turns the texts of a data set into tokens.

    Args:
      dataset: a data set whose splits have "text" and "label".
      data_dir: the data directory; the result is cached in its folder ``tokens``.
      vocabulary: a tokenizer, or the vocabulary size of the one to be trained on the training
        split, as in `train_tokenizer`.
      length: number of tokens of each text, as in `encode`.
      truncation: the end at which longer texts are cut, as in `encode`.

    Returns:
      The data set with "tokens", "length" and "label", and the tokenizer.
    """
    known = vocabulary if isinstance(vocabulary, int) else vocabulary.to_str()
    key = _key(dataset, known, length, truncation)
    folder = expand_home(data_dir) / "tokens" / f"{folder_name(dataset.name)}-{key}"

    def make() -> arrays.Decoded:
        tokenizer = vocabulary
        if isinstance(vocabulary, int):
            tokenizer = train_tokenizer(dataset.train["text"], vocabulary)
        splits = {
            name: encode(tokenizer, getattr(dataset, name)["text"], length, truncation)
            for name in SPLITS
        }
        described = np.array([tokenizer.to_str()], object)
        return arrays.Decoded(splits | {TOKENIZER: {"text": described}}, dataset.class_names)

    cached = arrays.read_or_make(folder, key, make)
    splits = {
        name: cached.splits[name] | {"label": getattr(dataset, name)["label"]} for name in SPLITS
    }
    (described,) = cached.splits[TOKENIZER]["text"]
    return dataclasses.replace(dataset, **splits), Tokenizer.from_str(described)


def _key(dataset: Dataset, *options: object) -> str:
    """Returns a digest of the texts, their splits and the options, which identifies the result."""
    digest = hashlib.sha256(repr((READER, *options)).encode())
    for name in SPLITS:
        for array in pack({"text": getattr(dataset, name)["text"]}).values():
            digest.update(array)
    return digest.hexdigest()[:16]
