import numpy as np
import pytest

from jaxdl.analysis.attention_rollout import attention_rollout, rollout_of_blocks


def random_attention(blocks, tokens=5):
    scores = np.random.default_rng(0).normal(size=(blocks, 3, 2, tokens, tokens))
    weights = np.exp(scores)
    return list(weights / weights.sum(-1, keepdims=True))


def test_uniform_attention_gives_a_uniform_rollout():
    blind = np.full((1, 2, 5, 5), 0.2)
    np.testing.assert_allclose(attention_rollout([blind], True), np.full((1, 4), 0.25))
    np.testing.assert_allclose(attention_rollout([blind], False), np.full((1, 5), 0.2))


@pytest.mark.parametrize("has_token", [True, False])
def test_the_rollout_of_an_example_sums_to_one(has_token):
    rollout = attention_rollout(random_attention(blocks=3), has_token)
    assert rollout.shape == (3, 4 if has_token else 5)
    np.testing.assert_allclose(rollout.sum(1), np.ones(3))


def test_the_blocks_are_composed_in_their_order():
    """The first block moves patch 2 to place 1, the second block moves place 1 to the token."""
    first, second = np.eye(3), np.eye(3)
    first[1], second[0] = np.eye(3)[2], np.eye(3)[1]
    in_order = attention_rollout([first[None, None], second[None, None]], True)
    np.testing.assert_allclose(in_order, [[0.5, 0.5]])
    in_reverse = attention_rollout([second[None, None], first[None, None]], True)
    np.testing.assert_allclose(in_reverse, [[1.0, 0.0]])


@pytest.mark.parametrize(("has_token", "tokens"), [(True, 5), (False, 4)])
def test_the_rollout_of_sown_blocks_is_an_image(has_token, tokens):
    attention = random_attention(blocks=11, tokens=tokens)
    sown = {
        f"block_{index}": {"attention": {"attention": (weights,)}}
        for index, weights in sorted(enumerate(attention), key=lambda block: str(block[0]))
    }
    rollout = rollout_of_blocks(sown | {"maps": ()}, has_token)
    expected = attention_rollout(attention, has_token)
    np.testing.assert_array_equal(rollout, expected.reshape(3, 2, 2))


def test_patches_that_are_pooled_by_weights_count_by_their_weights():
    (attention,) = random_attention(blocks=1, tokens=4)
    weights = np.random.default_rng(1).dirichlet(np.ones(4), len(attention))
    to_itself = np.broadcast_to(np.eye(4), attention.shape)
    np.testing.assert_allclose(attention_rollout([to_itself], False, weights), weights)
    second = np.broadcast_to(np.eye(4)[1], weights.shape)
    expected = 0.5 * np.eye(4)[1] + 0.5 * attention.mean(1)[:, 1]
    np.testing.assert_allclose(attention_rollout([attention], False, second), expected)
    sown = {"block_0": {"attention": {"attention": (attention,)}}, "pooling": (second,)}
    rollout = rollout_of_blocks(sown, has_token=False)
    np.testing.assert_allclose(rollout, expected.reshape(-1, 2, 2))
