from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, init

from jaxdl.models.cnn import CNN, VGG, LeNet5
from jaxdl.training.state import count_parameters


class PlainCNN(nn.Module):
    """The tutorial's network written with the layers of Flax only."""

    @nn.compact
    def __call__(self, x):
        for index, features in enumerate((3, 4)):
            x = nn.relu(nn.Conv(features, (3, 3), padding="VALID", name=f"conv_{index}")(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(5, name="dense_0")(x.reshape(len(x), -1)))
        return nn.Dense(10, name="head")(x)


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (2, 11, 12, 1))


SMALL = {
    "cnn": CNN(features=(3, 4), width=5),
    "lenet5": LeNet5(),
    "vgg": VGG(stages=((2, 2), (3,)), width=4),
}


@pytest.mark.parametrize(("model", "parameters"), [(CNN(), 225_034), (LeNet5(), 61_706)])
def test_the_numbers_of_parameters_are_the_published_ones(model, parameters):
    variables = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    )
    assert count_parameters(variables["params"]) == parameters


def test_the_cnn_equals_the_network_written_with_plain_layers(images):
    variables = init(SMALL["cnn"], images, train=False)
    got = apply(SMALL["cnn"], variables, images, train=False)
    expected = apply(PlainCNN(), variables, images)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "vgg"])
def test_dropout_is_active_in_training_only_and_depends_on_its_key(images, name):
    model = SMALL[name]
    variables = init(model, images, train=False)

    @jax.jit
    def logits_in_training(key):
        rngs = {"dropout": key}
        return model.apply(variables, images, train=True, rngs=rngs, mutable=["batch_stats"])[0]

    first, again, other = (logits_in_training(jax.random.key(seed)) for seed in (0, 0, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", SMALL)
def test_in_bfloat16_parameters_statistics_and_logits_stay_float32(name):
    model = SMALL[name].clone(dtype=jnp.bfloat16)
    logits, variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), jnp.zeros((2, 14, 14, 1)), train=False)
    )
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_vgg_updates_its_batch_statistics_in_training_and_uses_them_in_evaluation(images):
    model = SMALL["vgg"].clone(dropout_rate=0.0)
    variables = init(model, images, train=False)

    @jax.jit
    def train(variables):
        return model.apply(variables, images, train=True, mutable=["batch_stats"])

    in_training, updates = train(variables)
    first_convolution = apply(
        nn.Conv(2, (3, 3), use_bias=False), {"params": variables["params"]["conv_0"]}, images
    )
    np.testing.assert_allclose(
        updates["batch_stats"]["norm_0"]["mean"], 0.1 * first_convolution.mean((0, 1, 2)), atol=1e-6
    )
    evaluate = jax.jit(partial(model.apply, train=False))
    in_evaluation = evaluate(variables, images)
    assert np.abs(in_evaluation - in_training).max() > 1e-3  # the statistics are still 0 and 1
    for _ in range(100):
        variables = variables | train(variables)[1]
    converged = evaluate(variables, images)
    np.testing.assert_allclose(converged, in_training, atol=0.02)
