"""What a language model writes: it continues sentences, or fills in their masks."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from tokenizers import Tokenizer

from jaxdl.data.tokenizer import PADDING_ID, UNKNOWN_ID, encode
from jaxdl.errors import UsageError
from jaxdl.training.language_modelling import logit_factors
from jaxdl.training.language_objectives import Targets
from jaxdl.training.precision import Precision, with_products

MASK = "[MASK]"
TEMPERATURE = 0.8
"""Divides the logits from which words are drawn: likely words are favoured."""
LONGEST = 10_000


class LanguageModel(NamedTuple):
    """A trained language model.

    Attributes:
      model: one of `jaxdl.models.language_models`.
      variables: variables of the model.
      tokenizer: tokenizer of its texts.
      precision: precision of the computation.
    """

    model: nn.Module
    variables: Any
    tokenizer: Tokenizer
    precision: Precision


@partial(jax.jit, static_argnums=(0, 5))
def logits_at(
    model: nn.Module,
    variables: Any,
    tokens: jax.Array,
    length: jax.Array,
    position: jax.Array,
    precision: Precision,
) -> jax.Array:
    """Computes the logits of all tokens at a position of each text.

    Args:
      model: one of `jaxdl.models.language_models`.
      variables: variables of the model.
      tokens: int32 (texts, time).
      length: int32 (texts,).
      position: int32 (texts,).
      precision: precision of the products.

    Returns:
      float32 (texts, vocabulary).
    """

    def compute() -> jax.Array:
        target = Targets(tokens, length, position[:, None], None, None)
        features, table = logit_factors(partial(model.apply, train=False), variables, target)
        return jnp.matmul(features[:, 0], table.T, preferred_element_type=jnp.float32)

    return with_products(compute, precision)()


def continue_sentences(
    language: LanguageModel, sentences: Sequence[str], num_words: int, key: jax.Array
) -> list[str]:
    """Continues sentences with words that are drawn from the predictions, one after the other.

    Args:
      language: predicts the next word.
      sentences: none is empty.
      num_words: number of words to add to each.
      key: decides which words.
    """
    texts = [_tokens_of(language.tokenizer, sentence) for sentence in sentences]
    length = np.array([len(text) for text in texts], np.int32)
    tokens = np.full((len(texts), length.max() + num_words), PADDING_ID, np.int32)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
    for word_key in jax.random.split(key, num_words):
        logits = _logits_of_words(language, tokens, length, length - 1)
        words = jax.random.categorical(word_key, logits / TEMPERATURE)
        tokens[np.arange(len(tokens)), length] = words
        length = length + 1
    added = [row[end - num_words : end].tolist() for row, end in zip(tokens, length, strict=True)]
    return [
        " ".join([sentence, *map(language.tokenizer.id_to_token, words)])
        for sentence, words in zip(sentences, added, strict=True)
    ]


def fill_masks(language: LanguageModel, sentences: Sequence[str], count: int) -> list[str]:
    """Appends to sentences the words that a masked language model predicts for their masks.

    Args:
      language: predicts masked words.
      sentences: each with one `MASK`.
      count: number of words for each, the likeliest first.

    Raises:
      UsageError: a sentence has no mask, or several, or is longer than the texts of the training.
    """
    tokenizer, longest = language.tokenizer, language.model.max_length
    lines = []
    for sentence in sentences:
        if sentence.count(MASK) != 1:
            raise UsageError(f"A sentence needs {MASK} once, in place of a word: {sentence}")
        before, after = (_tokens_of(tokenizer, part) for part in sentence.split(MASK))
        tokens = np.array([[*before, PADDING_ID, *after]], np.int32)
        if tokens.shape[1] > longest:
            raise UsageError(
                f"The sentence has {tokens.shape[1]} tokens, but the network was trained on texts "
                f"of at most {longest}: shorten it."
            )
        length, position = np.full(1, tokens.shape[1]), np.full(1, len(before))
        shares = jax.nn.softmax(_logits_of_words(language, tokens, length, position)[0])
        num_words = tokenizer.get_vocab_size() - len({PADDING_ID, UNKNOWN_ID})
        likeliest = np.argsort(-shares)[: min(count, num_words)]
        found = [f"{tokenizer.id_to_token(word)} {shares[word]:.0%}" for word in likeliest.tolist()]
        lines.append(f"{sentence}  {', '.join(found)}")
    return lines


def _logits_of_words(
    language: LanguageModel, tokens: np.ndarray, length: np.ndarray, position: np.ndarray
) -> np.ndarray:
    """Computes logits, which are minus infinity for padding and for the unknown word.

    The same holds for ids beyond the vocabulary, which may be smaller than the network's.
    """
    logits = logits_at(
        language.model, language.variables, tokens, length, position, language.precision
    )
    is_word = np.arange(logits.shape[1]) < language.tokenizer.get_vocab_size()
    is_word[[PADDING_ID, UNKNOWN_ID]] = False
    return np.where(is_word, logits, -np.inf)


def _tokens_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """Returns the tokens of a text, none if it is blank."""
    if not text.strip():
        return []
    encoded = encode(tokenizer, [text], LONGEST)
    return encoded["tokens"][0, : encoded["length"][0]].tolist()
