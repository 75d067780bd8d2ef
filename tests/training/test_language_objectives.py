import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.training.language_objectives import masked_tokens, next_token

TEXTS = strategies.lists(
    strategies.lists(strategies.integers(2, 8), min_size=1, max_size=9), min_size=1, max_size=3
)


def as_batch(texts):
    tokens = np.zeros((len(texts), 12), np.int32)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = text
    length = np.array([len(text) for text in texts], np.int32)
    return {"tokens": jnp.asarray(tokens), "length": jnp.asarray(length)}


def predicted_by(targets, row):
    """The positions and tokens that count."""
    counts = targets.weights[row] > 0
    return list(
        zip(
            targets.positions[row][counts].tolist(),
            targets.targets[row][counts].tolist(),
            strict=True,
        )
    )


@settings(max_examples=20, deadline=None)
@given(TEXTS, strategies.booleans())
def test_each_word_but_the_first_follows_another(texts, bidirectional):
    targets = next_token(as_batch(texts), jax.random.key(0), bidirectional)
    for row, text in enumerate(texts):
        expected = list(enumerate(text[1:]))
        if bidirectional:  # the second half of the outputs predicts backwards
            expected += [(12 + place, text[place - 1]) for place in range(1, len(text))]
        assert predicted_by(targets, row) == expected


@pytest.mark.parametrize("length", [1, 7, 40, 200])
def test_a_share_of_the_tokens_is_masked(length):
    tokens = jax.random.randint(jax.random.key(1), (50, 200), 2, 1000)
    tokens = jnp.where(jnp.arange(200) < length, tokens, 0)
    batch = {"tokens": tokens, "length": jnp.full(50, length)}
    targets = masked_tokens(batch, jax.random.key(0), vocabulary_size=1000)
    wanted = max(1, round(0.15 * length))
    np.testing.assert_array_equal(targets.weights.sum(axis=1), wanted)
    changed = (targets.tokens != tokens).sum()
    predicted = np.zeros(tokens.shape, bool)
    for row in range(50):
        for position, token in predicted_by(targets, row):
            assert position < length
            assert tokens[row, position] == token
            predicted[row, position] = True
    np.testing.assert_array_equal(targets.tokens[~predicted], tokens[~predicted])
    masked = (targets.tokens[predicted] == 0).mean()
    assert abs(masked - 0.8) < 0.3 if length == 1 else abs(masked - 0.8) < 0.1
    assert changed <= predicted.sum()


def test_other_keys_mask_other_tokens():
    batch = as_batch([[2, 3, 4, 5, 6, 7, 8]])
    positions = {
        predicted_by(masked_tokens(batch, jax.random.key(k), 9), 0)[0][0] for k in range(30)
    }
    assert positions == set(range(7))
