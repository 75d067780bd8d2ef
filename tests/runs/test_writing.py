import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxdl.data.tokenizer import train_tokenizer
from jaxdl.errors import UsageError
from jaxdl.runs.writing import LanguageModel, continue_sentences, fill_masks

WORDS = ("one", "two", "three", "four", "five", "six")
TOKENIZER = train_tokenizer([f"{word} " * (10 - place) for place, word in enumerate(WORDS)], 8)
"""The words have the tokens 2 to 7."""


class Counting(nn.Module):
    """Predicts the token after that ``offset`` positions away, of a vocabulary of 12."""

    offset: int = 0
    max_length: int = 6

    def __call__(self, tokens, length, *, train):
        return 40 * jax.nn.one_hot(jnp.roll(tokens, -self.offset, axis=1) + 1, 12)


def counting(offset=0):
    variables = {"params": {"embedding": {"embedding": jnp.eye(12)}}}
    return LanguageModel(Counting(offset), variables, TOKENIZER, "float32")


def test_sentences_of_any_length_are_continued_as_the_model_predicts():
    texts = continue_sentences(counting(), ["One", "two, two three"], 3, jax.random.key(0))
    assert texts == ["One two three four", "two, two three four five six"]


def test_only_words_are_written():
    # After "six" the model expects a token that is beyond the vocabulary.
    (text,) = continue_sentences(counting(), ["six"], 5, jax.random.key(0))
    assert set(text.split()) <= set(WORDS)


def test_a_mask_is_filled_with_the_likeliest_words():
    lines = fill_masks(counting(offset=-1), ["one [MASK] three", "three [MASK]"], 2)
    assert lines[0].startswith("one [MASK] three  two 100%, ")
    assert lines[1].startswith("three [MASK]  four 100%, ")
    (line,) = fill_masks(counting(offset=-1), ["one [MASK]"], 100)
    assert line.count(",") == len(WORDS) - 1


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("one two", "A sentence needs .MASK. once, in place of a word: one two"),
        ("[MASK] two [MASK]", "needs .MASK. once"),
        ("one two three four five six [MASK]", "has 7 tokens, .* at most 6: shorten it"),
    ],
)
def test_sentences_that_cannot_be_filled_are_refused(sentence, message):
    with pytest.raises(UsageError, match=message):
        fill_masks(counting(), [sentence], 2)
