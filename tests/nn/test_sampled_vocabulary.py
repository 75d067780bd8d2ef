import jax
import jax.numpy as jnp
import numpy as np
import pytest
from vocabulary_example import example

from jaxdl.nn import sampled_vocabulary, vocabulary
from jaxdl.nn.sampled_vocabulary import draw_words, probability_of, sampled_cross_entropy
from jaxdl.nn.vocabulary import summed_cross_entropy


def by_definition(features, table, targets, weights, words, probabilities):
    """The loss of each position by itself, from the words that were drawn."""
    total = 0.0
    for index in np.ndindex(*targets.shape):
        chosen = np.exp(features[index] @ table[targets[index]])
        others = sum(
            np.exp(features[index] @ table[word]) / (len(words) * probabilities[word])
            for word in words
            if word != targets[index]
        )
        total += weights[index] * np.log((chosen + others) / chosen)
    return total


@pytest.mark.parametrize("at_once", [1, 6, 1024])
def test_the_loss_is_that_of_the_definition(at_once, monkeypatch):
    monkeypatch.setattr(vocabulary, "POSITIONS_AT_ONCE", at_once)
    arguments, key = example(3, 7), jax.random.key(3)
    words = np.asarray(draw_words(key, 6, 11))
    probabilities = np.asarray(probability_of(jnp.arange(11), 11))
    expected = by_definition(*map(np.asarray, arguments), words, probabilities)
    assert sampled_cross_entropy(*arguments, key, 6) == pytest.approx(expected, rel=1e-4)


def test_with_many_words_loss_and_gradient_are_nearly_those_of_all_words():
    features, table, *asked = example(2, 6)
    ours = jax.jit(
        jax.value_and_grad(
            lambda features, table: sampled_cross_entropy(
                features, table, *asked, jax.random.key(1), 40_000
            ),
            argnums=(0, 1),
        )
    )
    value, gradients = ours(features, table)
    expected, exact = jax.value_and_grad(summed_cross_entropy, argnums=(0, 1))(
        features, table, *asked
    )
    assert value == pytest.approx(float(expected), rel=0.02)
    for one, other in zip(gradients, exact, strict=True):
        assert jnp.linalg.norm(one - other) < 0.03 * jnp.linalg.norm(other)


def test_words_are_drawn_as_often_as_their_probabilities_say():
    words = np.asarray(draw_words(jax.random.key(0), 200_000, 50))
    probabilities = np.asarray(probability_of(jnp.arange(50), 50))
    assert probabilities.sum() == pytest.approx(1, rel=1e-5)
    assert (np.diff(probabilities) < 0).all()
    np.testing.assert_allclose(
        np.bincount(words, minlength=50) / len(words), probabilities, atol=0.003
    )


def test_a_word_is_no_rival_of_itself(monkeypatch):
    """With a single word that is everywhere the target nothing remains to be told apart."""
    monkeypatch.setattr(
        sampled_vocabulary, "draw_words", lambda key, count, size: jnp.zeros(count, jnp.int32)
    )
    features, table, _, weights = example(3, 7)
    targets = jnp.zeros(weights.shape, jnp.int32)
    asked = (features, table, targets, weights, jax.random.key(0), 4)
    value, gradient = jax.value_and_grad(sampled_cross_entropy)(*asked)
    assert value == 0
    assert np.isfinite(gradient).all()
