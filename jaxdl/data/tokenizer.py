"""Texts as numbers: a vocabulary of whole words, and arrays of the same length for all texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from jaxdl.data.tracking import tracked
from jaxdl.errors import UsageError, UserError

PADDING, UNKNOWN = "[PAD]", "[UNK]"
PADDING_ID, UNKNOWN_ID = 0, 1
TEXTS_AT_ONCE = 1000

Truncation = Literal["start", "end"]


def train_tokenizer(texts: Sequence[str], vocabulary_size: int = 10_000) -> Tokenizer:
    """Makes a vocabulary of the most frequent words; of equally frequent ones the first by name.

    Texts are lower-cased, HTML line breaks dropped, and runs of punctuation are words of their
    own. Give it the training split only, so that nothing of the others is known beforehand.

    Args:
      texts: a sequence or an object array of str (examples,), whose words are counted.
      vocabulary_size: how many ids there are at most: padding 0, unknown 1 and the words.

    Returns:
      The tokenizer, for `encode` and `save_tokenizer`.

    Raises:
      UsageError: no room for a word.
    """
    if vocabulary_size < 3:
        raise UsageError(f"the vocabulary size is {vocabulary_size}: give 3 or more")
    counter = _word_tokenizer({})
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary_size, special_tokens=[PADDING, UNKNOWN], show_progress=False
    )
    counter.train_from_iterator(map(_sound, tracked(texts, "counting the words")), trainer)
    # A new one, because the counter would find the special tokens in texts that spell them out.
    return _word_tokenizer(counter.get_vocab())


def _word_tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace("<br />", " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def encode(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    length: int,
    truncation: Truncation = "start",
) -> dict[str, np.ndarray]:
    """Turns texts into ids, on all cores.

    Args:
      tokenizer: its padding has the id 0. What it adds to a text, at its beginning and its end,
        is never cut.
      texts: a sequence or an object array of str (examples,).
      length: how many ids a text gets; what is missing is filled up at the end with 0.
      truncation: which end of a longer text is cut.

    Returns:
      ``tokens`` int32 (examples, length), and ``length`` int32 (examples,) in 1..length: how many
      of them belong to the text. A text without words has one, the unknown word.

    Raises:
      UsageError: a length below 1, or another truncation.
    """
    if length < 1:
        raise UsageError(f"the length of the texts is {length}: give 1 or more")
    if truncation not in ("start", "end"):
        raise UsageError(f"truncation is {truncation!r}: choose start or end")
    tokenizer = Tokenizer.from_str(tokenizer.to_str())  # what follows changes it
    tokenizer.no_padding()
    tokenizer.enable_truncation(length, direction="left" if truncation == "start" else "right")
    tokens = np.full((len(texts), length), PADDING_ID, np.int32)
    lengths = np.empty(len(texts), np.int32)
    for start in tracked(range(0, len(texts), TEXTS_AT_ONCE), "splitting the texts into words"):
        batch = [_sound(text) for text in texts[start : start + TEXTS_AT_ONCE]]
        for row, encoding in enumerate(tokenizer.encode_batch_fast(batch), start):
            ids = encoding.ids or [tokenizer.token_to_id(UNKNOWN)]
            tokens[row, : len(ids)] = ids
            lengths[row] = len(ids)
    return {"tokens": tokens, "length": lengths}


def _sound(text: str) -> str:
    """Replaces what is no character (half of a surrogate pair), which a command line can hold."""
    return text.encode("utf-8", "replace").decode()


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Writes a tokenizer as JSON, in the format of Hugging Face.

    Raises:
      UserError: the file cannot be written.
    """
    try:
        Path(path).write_text(tokenizer.to_str(), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the tokenizer cannot be written to {path} ({error.strerror}): give another place."
        ) from error


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads what `save_tokenizer` wrote.

    Raises:
      UserError: the file is absent, damaged, or of another kind of tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_str(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"the tokenizer {path} cannot be read ({error.strerror}): give a run that has one."
        ) from error
    except Exception as error:  # tokenizers raises no narrower kind
        raise _damaged(path, " ".join(str(error).split())) from error
    if tokenizer.token_to_id(PADDING) != PADDING_ID or tokenizer.token_to_id(UNKNOWN) is None:
        raise _damaged(path, f"it lacks {UNKNOWN}, or {PADDING} as the first word")
    return tokenizer


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a tokenizer of jaxdl ({reason}): train again, or restore the file."
    )
