import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models.mlp import MLP
from jaxdl.training.state import count_parameters


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (3, 4, 4, 1))


@pytest.fixture(scope="module")
def variables(images):
    return MLP((6, 5)).init(jax.random.key(1), images, train=False)


def test_the_tutorials_network_has_109386_parameters():
    variables = jax.eval_shape(
        lambda: MLP().init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    )
    assert count_parameters(variables["params"]) == 109_386


def test_logits_follow_the_textbook_formula(images, variables):
    params = jax.tree.map(np.asarray, variables["params"])
    x = np.asarray(images).reshape(3, 16)
    for name in ("dense_0", "dense_1"):
        x = np.maximum(x @ params[name]["kernel"] + params[name]["bias"], 0)
    expected = x @ params["head"]["kernel"] + params["head"]["bias"]
    logits = MLP((6, 5)).apply(variables, images, train=False)
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_dropout_is_active_in_training_only_and_depends_on_its_key(images, variables):
    def logits(train, key):
        rngs = {"dropout": jax.random.key(key)}
        return MLP((6, 5), dropout_rate=0.5).apply(variables, images, train=train, rngs=rngs)

    np.testing.assert_array_equal(logits(False, 0), logits(False, 1))
    np.testing.assert_array_equal(logits(True, 0), logits(True, 0))
    assert (logits(True, 0) != logits(True, 1)).any()
    assert (logits(True, 0) != logits(False, 0)).any()


def test_a_dropout_rate_of_zero_changes_nothing_in_training(images, variables):
    model = MLP((6, 5), dropout_rate=0.0)
    np.testing.assert_array_equal(
        model.apply(variables, images, train=True), model.apply(variables, images, train=False)
    )


def test_in_bfloat16_parameters_and_logits_stay_float32(images, variables):
    model = MLP((6, 5), dtype=jnp.bfloat16)
    logits, own = model.init_with_output(jax.random.key(1), images, train=False)
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(own)} == {jnp.dtype("float32")}
    exact = MLP((6, 5)).apply(variables, images, train=False)
    assert (logits != exact).any()  # bfloat16 does round
    np.testing.assert_allclose(logits, exact, atol=0.05)
