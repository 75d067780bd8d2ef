"""A data set of texts as a data set of tokens, cached, so that a second start is quick."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import filelock

from jaxdl.data import arrays
from jaxdl.data.client import empty_folder
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
    cached = arrays.read(folder, key)
    if cached is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_name(f"{folder.name}.lock")):
            if arrays.read(folder, key) is None:  # no other process has made it meanwhile
                _make(dataset, folder, key, vocabulary, length, truncation)
        cached = arrays.read(folder, key)
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


def _make(
    dataset: Dataset,
    folder: Path,
    key: str,
    vocabulary: int | Tokenizer,
    length: int,
    truncation: Truncation,
) -> None:
    """Writes the folder whole: it is made under another name, then renamed."""
    if isinstance(vocabulary, int):
        tokenizer = train_tokenizer(dataset.train["text"], vocabulary)
    else:
        tokenizer = vocabulary
    splits = {
        name: encode(tokenizer, getattr(dataset, name)["text"], length, truncation)
        for name in SPLITS
    }
    with empty_folder(folder.with_name(f"{folder.name}.temporary")) as temporary:
        unfinished = temporary / "tokens"
        unfinished.mkdir()
        save_tokenizer(tokenizer, unfinished / TOKENIZER)
        arrays.write(arrays.Decoded(splits, dataset.class_names), key, unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
