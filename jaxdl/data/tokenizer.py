"""Turns texts into token ids: a vocabulary of whole words, and arrays of a fixed length."""

import contextlib
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from jaxdl.data.tracking import tracked
from jaxdl.errors import UsageError, UserError, one_line, reason_of
from jaxdl.files import write_text

PADDING, UNKNOWN = "[PAD]", "[UNK]"
PADDING_ID, UNKNOWN_ID = 0, 1
TEXTS_AT_ONCE = 1000

Truncation = Literal["start", "end"]


def train_tokenizer(texts: Sequence[str], vocabulary_size: int = 10_000) -> Tokenizer:
    """Builds a vocabulary of the most frequent words; ties are broken by alphabetical order.

    Texts are lower-cased, HTML line breaks become blanks, and runs of punctuation are words of
    their own. Only the training split should be given, so that nothing leaks from the others.

    Args:
      texts: a sequence or an object array (examples,) of str, whose words are counted.
      vocabulary_size: largest number of ids: padding (0), the unknown word (1) and the words.

    Returns:
      The tokenizer, for `encode` and `save_tokenizer`.

    Raises:
      UsageError: the vocabulary has no room for a word.
    """
    if vocabulary_size < 3:
        raise UsageError(f"The vocabulary size is {vocabulary_size}, but must be at least 3.")
    counter = _word_tokenizer({})
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary_size, special_tokens=[PADDING, UNKNOWN], show_progress=False
    )
    counter.train_from_iterator(
        map(_replace_surrogates, tracked(texts, "counting the words")), trainer
    )
    # The counter itself would find the special tokens in texts that spell them out.
    return _word_tokenizer(counter.get_vocab())


def _word_tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace("<br />", " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], length: int, truncation: Truncation = "start"
) -> dict[str, np.ndarray]:
    """Turns texts into ids, on all cores.

    Args:
      tokenizer: a tokenizer whose padding has the id 0. The special tokens that it adds at the
        start and at the end of a text are never cut off.
      texts: a sequence or an object array (examples,) of str.
      length: number of ids of each text; shorter texts are padded at the end with 0.
      truncation: the end at which longer texts are cut.

    Returns:
      ``tokens``, int32 (examples, length), and ``length``, int32 (examples,) in 1..length: the
      number of tokens that are not padding. A text without words has one, the unknown word.

    Raises:
      UsageError: the length is below 1, or the truncation is neither "start" nor "end".
    """
    if length < 1:
        raise UsageError(f"The length of the texts is {length}, but must be at least 1.")
    if truncation not in ("start", "end"):
        raise UsageError(f"The truncation is {truncation!r}, but must be start or end.")
    with _failures_as_errors():
        tokenizer = Tokenizer.from_str(tokenizer.to_str())  # a copy, which is changed below
    tokenizer.no_padding()
    tokenizer.enable_truncation(length, direction="left" if truncation == "start" else "right")
    tokens = np.full((len(texts), length), PADDING_ID, np.int32)
    lengths = np.empty(len(texts), np.int32)
    for start in tracked(range(0, len(texts), TEXTS_AT_ONCE), "splitting the texts into words"):
        batch = [_replace_surrogates(text) for text in texts[start : start + TEXTS_AT_ONCE]]
        with _failures_as_errors():
            encodings = tokenizer.encode_batch_fast(batch)
        for row, encoding in enumerate(encodings, start):
            ids = encoding.ids or [tokenizer.token_to_id(UNKNOWN)]
            tokens[row, : len(ids)] = ids
            lengths[row] = len(ids)
    return {"tokens": tokens, "length": lengths}


def _replace_surrogates(text: str) -> str:
    """Replaces lone surrogates, which UTF-8 cannot encode; a command line can contain them."""
    return text.encode("utf-8", "replace").decode()


def checksum_of(tokenizer: Tokenizer) -> str:
    """Returns the CRC-32 of a tokenizer."""
    return f"{zlib.crc32(tokenizer.to_str().encode()):08x}"


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Writes a tokenizer as JSON, in the format of Hugging Face.

    Raises:
      UserError: the file cannot be written.
    """
    try:
        write_text(Path(path), tokenizer.to_str())
    except OSError as error:
        raise UserError(
            f"The tokenizer cannot be written to {path} ({reason_of(error)}); choose another path."
        ) from error


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads what `save_tokenizer` wrote.

    Raises:
      UserError: the file is absent or damaged, or has a tokenizer of another kind.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        _require_ids_without_gaps(json.loads(text))
        with _failures_as_errors():
            tokenizer = Tokenizer.from_str(text)
    except OSError as error:
        raise UserError(
            f"The tokenizer {path} cannot be read ({reason_of(error)}); choose a run that has one."
        ) from error
    except Exception as error:  # tokenizers raises nothing more specific
        raise _damaged(path, one_line(str(error))) from error
    if tokenizer.token_to_id(PADDING) != PADDING_ID or tokenizer.token_to_id(UNKNOWN) is None:
        raise _damaged(path, f"it lacks {UNKNOWN}, or its first word is not {PADDING}")
    return tokenizer


def _require_ids_without_gaps(described: dict[str, Any]) -> None:
    """Raises ValueError for ids beyond the vocabulary, which cost memory and have no embedding."""
    added = {token["id"] for token in described["added_tokens"]}
    ids = added | {*described["model"]["vocab"].values()}
    if ids != {*range(len(ids))}:
        raise ValueError("its ids are not those of its vocabulary")


@contextlib.contextmanager
def _failures_as_errors() -> Iterator[None]:
    """Turns errors of the Rust code of tokenizers into UserError; a panic is not an Exception."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        raise UserError(f"The tokenizer failed ({reason_of(error)}): restore its file.") from error


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a tokenizer of jaxdl ({reason}); train again or restore the file."
    )
