from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl.models.cnn import CNN
from jaxdl.nn.cpu.loops import inside_loop
from jaxdl.training.gradients import accumulate

BATCH = 12


@pytest.fixture(scope="module")
def problem():
    """The gradient of a network without BatchNorm and dropout, its arguments and its result."""
    random = np.random.default_rng(0)
    batch = {
        "image": random.normal(size=(BATCH, 10, 10, 1)).astype(np.float32),
        "label": random.integers(0, 3, BATCH, np.int32),
    }
    model = CNN(features=(2, 3), width=4, num_classes=3, dropout_rate=0.0)
    init = jax.jit(partial(model.init, train=False))
    params = init(jax.random.key(0), batch["image"])["params"]

    def loss_fn(params, batch_stats, batch, key):
        logits = model.apply({"params": params}, batch["image"], train=True)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        count = batch_stats["count"] + len(batch["label"])
        metrics = {"loss": losses.mean(), "draw": jax.random.uniform(key)}
        return losses.mean(), ({"count": count}, metrics)

    grad_fn = jax.grad(loss_fn, has_aux=True)
    arguments = (params, {"count": 0.0}, batch, jax.random.key(1))
    return grad_fn, arguments, jax.jit(grad_fn)(*arguments)


@pytest.mark.parametrize("micro_batches", [2, 3, 12])
def test_accumulated_gradients_are_those_of_the_whole_batch(problem, micro_batches):
    grad_fn, arguments, (expected, (_, whole)) = problem
    grads, (batch_stats, metrics) = jax.jit(accumulate(grad_fn, micro_batches))(*arguments)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), grads, expected)
    assert metrics["loss"] == pytest.approx(float(whole["loss"]), rel=1e-5)
    assert batch_stats["count"] == BATCH
    keys = jax.random.split(jax.random.key(1), micro_batches)
    assert metrics["draw"] == pytest.approx(float(jax.vmap(jax.random.uniform)(keys).mean()))


def test_one_part_is_the_function_itself(problem):
    grad_fn, *_ = problem
    assert accumulate(grad_fn, 1) is grad_fn


def test_each_part_has_examples_from_the_whole_batch():
    """So that every device of a mesh, which has neighbouring examples, works on each part."""

    def grad_fn(params, batch_stats, batch, key):
        return params, (batch_stats.at[batch["x"][0]].set(batch["x"]), {})

    batch = {"x": jnp.arange(6)}
    accumulated = accumulate(grad_fn, 2)
    _, (parts, _) = accumulated(jnp.zeros(()), jnp.zeros((6, 3), int), batch, jax.random.key(0))
    np.testing.assert_array_equal(parts[:2], [[0, 2, 4], [1, 3, 5]])


def test_the_parts_are_traced_as_inside_a_loop():
    seen = []

    def grad_fn(params, batch_stats, batch, key):
        seen.append(inside_loop())
        return params, (batch_stats, {})

    accumulate(grad_fn, 2)(jnp.zeros(()), {}, {"x": jnp.zeros(4)}, jax.random.key(0))
    assert seen[-1]
    assert not inside_loop()
