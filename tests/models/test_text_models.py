import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, draw

from jaxdl.models.rnn import TextRNN
from jaxdl.models.text_logits import mean_over_time
from jaxdl.models.transformer import TextTransformer, rotate_by_position

VOCABULARY = 30
SMALL = {"vocabulary_size": VOCABULARY, "dropout_rate": 0.5}
MODELS = {
    f"{cell}, {pooling}, {'both ways' if both else 'one way'}": TextRNN(
        **SMALL, embed_dim=5, hidden_dim=4, cell=cell, pooling=pooling, bidirectional=both
    )
    for cell, pooling, both in (
        ("simple", "max", False),
        ("gru", "last", False),
        ("lstm", "mean", False),
        ("lstm", "last", True),
    )
} | {
    f"transformer, {positions}": TextTransformer(
        **SMALL,
        max_length=20,
        embed_dim=8,
        num_layers=2,
        num_heads=2,
        mlp_dim=8,
        positions=positions,
    )
    for positions in ("learned", "rotary")
}
LENGTHS = np.array([7, 1, 4], np.int32)


def padded(time):
    tokens = np.random.default_rng(0).integers(1, VOCABULARY, (len(LENGTHS), max(LENGTHS)))
    tokens = np.where(np.arange(max(LENGTHS)) < LENGTHS[:, None], tokens, 0)
    return np.pad(tokens, [(0, 0), (0, time - max(LENGTHS))]).astype(np.int32)


@pytest.mark.parametrize("name", MODELS)
def test_padding_does_not_change_the_logits(name):
    model = MODELS[name]
    variables = draw(model, padded(7), LENGTHS, train=False)
    short, long = (apply(model, variables, padded(n), LENGTHS, train=False) for n in (7, 20))
    np.testing.assert_allclose(short, long, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 2**-8)])
@pytest.mark.parametrize("time_axis", [0, 1])
def test_the_mean_leaves_out_padding_and_is_rounded_once(dtype, tolerance, time_axis):
    states = np.random.default_rng(0).uniform(1, 2, (2, 301, 3))
    lengths = (301, 7)
    expected = [states[i, :length].mean(0) for i, length in enumerate(lengths)]
    mask = np.arange(301) < np.array(lengths)[:, None]
    if time_axis == 0:
        states, mask = states.swapaxes(0, 1), mask.T
    mean = mean_over_time(jnp.asarray(states, dtype), jnp.asarray(mask), time_axis)
    assert mean.dtype == dtype
    np.testing.assert_allclose(mean.astype(jnp.float32), expected, rtol=tolerance)


@pytest.mark.parametrize("model", [TextRNN, TextTransformer])
@pytest.mark.parametrize(("num_classes", "num_logits"), [(2, 1), (3, 3)])
def test_the_head_gives_one_logit_for_two_classes_and_else_one_for_each(
    model, num_classes, num_logits
):
    model = model(**SMALL, num_classes=num_classes)
    logits, variables = jax.jit(
        lambda: model.init_with_output(jax.random.key(0), padded(7), LENGTHS, train=False)
    )()
    assert variables["params"]["head"]["kernel"].shape[1] == num_logits
    assert logits.shape == (3, num_classes)
    assert logits.dtype == jnp.float32
    assert (logits[:, 0] == 0).all() == (num_classes == 2)
    assert (logits[:, 1:] != 0).all()


def test_the_numbers_of_parameters_are_those_of_the_tutorial():
    tokens, length = np.zeros((1, 8), np.int32), np.ones(1, np.int32)
    expected = {"simple": 1_294_465, "lstm": 1_331_521}
    for cell, count in expected.items():
        params = jax.eval_shape(
            lambda cell=cell: TextRNN(cell=cell).init(
                jax.random.key(0), tokens, length, train=False
            )
        )["params"]
        assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_the_two_directions_swap_when_the_text_is_reversed():
    model = TextRNN(**SMALL, embed_dim=5, hidden_dim=4, cell="gru", bidirectional=True)
    tokens, length = padded(7)[:1], LENGTHS[:1]
    variables = draw(model, tokens, length, train=False)
    params = variables["params"]
    swapped = params | {
        "layer_0": params["layer_0_reverse"],
        "layer_0_reverse": params["layer_0"],
        "dense_0": params["dense_0"] | {"kernel": jnp.roll(params["dense_0"]["kernel"], 4, axis=0)},
    }
    forwards = apply(model, variables, tokens, length, train=False)
    backwards = apply(model, {"params": swapped}, tokens[:, ::-1], length, train=False)
    np.testing.assert_allclose(forwards, backwards, rtol=1e-5)


def test_words_are_dropped_in_training_only():
    model = TextRNN(**SMALL, embed_dim=5, hidden_dim=4, word_dropout_rate=0.5)
    variables = draw(model, padded(7), LENGTHS, train=False)

    def logits(train, seed):
        rngs = {"dropout": jax.random.key(seed)}
        return apply(model, variables, padded(7), LENGTHS, train=train, rngs=rngs)

    assert not np.allclose(logits(True, 1), logits(True, 2))
    np.testing.assert_array_equal(logits(False, 1), logits(False, 2))


def test_attention_weights_are_sown_and_zero_at_padding():
    model = MODELS["transformer, learned"]
    variables = draw(model, padded(9), LENGTHS, train=False)
    _, sown = apply(
        model,
        {"params": variables["params"]},
        *(padded(9), LENGTHS),
        train=False,
        mutable=["intermediates"],
    )
    (weights,) = sown["intermediates"]["block_0"]["attention"]["attention"]
    assert weights.shape == (3, 2, 9, 9)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    for example, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(weights[example, :, :, length:], 0)


def test_products_of_rotated_vectors_depend_on_their_distance_only():
    x = jax.random.normal(jax.random.key(0), (1, 1, 1, 6))
    rotated = rotate_by_position(jnp.broadcast_to(x, (1, 8, 1, 6)))[0, :, 0]
    products = rotated @ rotated.T
    for distance in range(1, 5):
        np.testing.assert_allclose(
            np.diagonal(products, distance), products[0, distance], rtol=1e-4
        )
    np.testing.assert_allclose(nn.standardize(rotated[0]), nn.standardize(x[0, 0, 0]), rtol=1e-5)
