"""A data set of texts as a data set of tokens, cached, so that a second start is quick."""

import dataclasses
import hashlib
from pathlib import Path

from jaxdl.data import arrays
from jaxdl.data.dataset import Dataset
from jaxdl.data.tokenizer import (
    Tokenizer,
    Truncation,
    encode,
    load_tokenizer,
    save_tokenizer,
    train_tokenizer,
)

SPLITS = ("train", "validation", "test")
TOKENIZER = "tokenizer.json"


def tokenise(
    dataset: Dataset,
    data_dir: Path,
    vocabulary: int | Tokenizer,
    length: int,
    truncation: Truncation,
) -> tuple[Dataset, Tokenizer]:
    """Splits texts into words.

    Args:
      dataset: each split with "text" and "label".
      data_dir: where the result is cached, in ``tokens/``.
      vocabulary: a tokenizer, or how many words the one to be made from the training split is
        to know at most, as in `train_tokenizer`.
      length: tokens of a text, as in `encode`.
      truncation: which end of a longer text is cut, as in `encode`.

    Returns:
      The data set with "tokens", "length" and "label", and the tokenizer.
    """
    known = vocabulary if isinstance(vocabulary, int) else vocabulary.to_str()
    key = _key(dataset, known, length, truncation)
    folder = data_dir.expanduser() / "tokens" / f"{dataset.name}-{key}"

    def make(unfinished: Path) -> arrays.Decoded:
        tokenizer = vocabulary
        if isinstance(vocabulary, int):
            tokenizer = train_tokenizer(dataset.train["text"], vocabulary)
        save_tokenizer(tokenizer, unfinished / TOKENIZER)
        splits = {
            name: encode(tokenizer, getattr(dataset, name)["text"], length, truncation)
            for name in SPLITS
        }
        return arrays.Decoded(splits, dataset.class_names)

    cached = arrays.read_or_make(folder, key, make)
    splits = {
        name: cached.splits[name] | {"label": getattr(dataset, name)["label"]} for name in SPLITS
    }
    return dataclasses.replace(dataset, **splits), load_tokenizer(folder / TOKENIZER)


def _key(dataset: Dataset, *options: object) -> str:
    """A name for the result: it changes with the texts, how they are split, and the options."""
    digest = hashlib.sha256(repr(options).encode())
    for name in SPLITS:
        texts = getattr(dataset, name)["text"]
        digest.update(f"{name} {len(texts)}".encode())
        digest.update("\0".join(texts).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]
