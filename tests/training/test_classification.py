import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small_training as small

from jaxdl.data.augmentation import normalise
from jaxdl.training.classification import evaluate, train_step
from jaxdl.training.pipeline import InputPipeline
from jaxdl.training.state import TrainState

PIPELINE = InputPipeline(preprocess=lambda batch: (batch["text"],))


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def linear(variables, inputs, *, train, rngs, mutable):
    return inputs @ variables["params"]["kernel"], {}


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    params = {"kernel": jnp.asarray(random.normal(size=(3, 4)), jnp.float32)}
    state = TrainState.create(
        apply_fn=linear,
        params=params,
        tx=optax.sgd(1.0),
        batch_stats={},
        ema_variables=None,
        ema_decay=0.0,
    )
    batch = {
        "text": random.normal(size=(5, 3)).astype(np.float32),
        "label": np.array([0, 1, 2, 3, 1], np.int32),
    }
    return state, batch


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_loss_accuracy_and_update_are_the_textbook_formulas(problem, label_smoothing):
    state, batch = problem
    after, metrics = train_step(
        state,
        batch,
        jax.random.key(0),
        pipeline=dataclasses.replace(PIPELINE, augment=lambda batch, _: (2 * batch["text"],)),
        label_smoothing=label_smoothing,
    )
    inputs, kernel = 2 * batch["text"], np.asarray(state.params["kernel"])
    logits = inputs @ kernel
    targets = (1 - label_smoothing) * np.eye(4)[batch["label"]] + label_smoothing / 4
    loss = -(targets * np.log(softmax(logits))).sum(-1).mean()
    gradient = inputs.T @ (softmax(logits) - targets) / 5
    assert metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert metrics["accuracy"] == pytest.approx((logits.argmax(-1) == batch["label"]).mean())
    np.testing.assert_allclose(after.params["kernel"], kernel - gradient, atol=1e-5)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_mixed_examples_share_the_loss_of_both_labels(problem, label_smoothing):
    state, batch = problem
    partners = np.array([2, 0, 1, 4, 3])
    shares = np.array([0.9, 0.5, 1.0, 0.0, 0.3], np.float32)

    def mix(inputs, key):
        def mix_labels(labels):
            return shares[:, None] * labels + (1 - shares[:, None]) * labels[partners]

        return tuple(2 * x for x in inputs), mix_labels

    _, metrics = train_step(
        state,
        batch,
        jax.random.key(0),
        pipeline=dataclasses.replace(PIPELINE, mix=mix),
        label_smoothing=label_smoothing,
    )
    logits = 2 * batch["text"] @ np.asarray(state.params["kernel"])
    log_probabilities = np.log(softmax(logits))
    own, other = (
        -(1 - label_smoothing) * log_probabilities[np.arange(5), labels]
        - label_smoothing * log_probabilities.mean(-1)
        for labels in (batch["label"], batch["label"][partners])
    )
    assert metrics["loss"] == pytest.approx((shares * own + (1 - shares) * other).mean(), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx((logits.argmax(-1) == batch["label"]).mean())


@pytest.mark.parametrize("micro_batches", [2, 3, 6])
def test_micro_batches_together_are_the_whole_batch(problem, micro_batches):
    state, batch = problem
    batch = jax.tree.map(lambda x: np.concatenate([x, x[:1]]), batch)
    step = partial(train_step, state, batch, jax.random.key(0), pipeline=PIPELINE)
    whole, whole_metrics = step()
    parts, metrics = step(micro_batches=micro_batches)
    np.testing.assert_allclose(parts.params["kernel"], whole.params["kernel"], atol=1e-6)
    for name in ("loss", "accuracy"):
        assert metrics[name] == pytest.approx(float(whole_metrics[name]), rel=1e-5)


def test_batch_statistics_pass_from_one_micro_batch_to_the_next():
    batch = small.new_data(small.BATCH_SIZE)
    halves = [jax.tree.map(lambda x, i=i: x[i::2], batch) for i in range(2)]
    state = expected = small.new_state()
    for half in halves:
        after, _ = small.step(expected, half, jax.random.key(0))
        expected = state.replace(batch_stats=after.batch_stats)
    together, _ = small.step(state, batch, jax.random.key(1), micro_batches=2)
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-5), together.batch_stats, expected.batch_stats
    )


def test_each_micro_batch_has_its_own_key(problem):
    state, batch = problem
    batch = jax.tree.map(lambda x: np.repeat(x[:1], 2, axis=0), batch)  # the same example twice

    def augment(batch, key):
        return (batch["text"] * jax.random.normal(key, batch["text"].shape),)

    step = partial(train_step, pipeline=dataclasses.replace(PIPELINE, augment=augment))
    _, metrics = step(state, batch, jax.random.key(0), micro_batches=2)
    keys = jax.random.split(jax.random.key(0), 2)
    half = jax.tree.map(lambda x: x[:1], batch)
    losses = [float(step(state, half, key)[1]["loss"]) for key in keys]
    assert losses[0] != losses[1]
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_evaluation_is_the_mean_over_the_whole_split():
    random = np.random.default_rng(0)
    logits = random.normal(size=(7, 4)).astype(np.float32)
    labels = random.integers(0, 4, 7, np.int32)
    metrics = evaluate(logits, labels)
    losses = -np.log(softmax(logits)[np.arange(7), labels])
    assert metrics["loss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx((logits.argmax(-1) == labels).mean())
    assert {type(value) for value in metrics.values()} == {float}  # which JSON can hold
    assert evaluate(logits[:0], labels[:0]) == {}


@pytest.fixture(scope="module")
def step():
    return jax.jit(small.step)


@pytest.fixture(scope="module")
def batch():
    return small.new_data(small.BATCH_SIZE)


def test_a_step_is_a_function_of_its_arguments(step, batch):
    state = small.new_state()
    first, again, other = (step(state, batch, jax.random.key(seed)) for seed in (0, 0, 1))
    small.assert_bitwise_identical(first, again)
    changed = jax.tree.map(lambda leaf, twin: bool((leaf != twin).any()), first[0], other[0])
    assert any(jax.tree.leaves(changed.params))  # by dropout


def test_a_step_updates_parameters_average_batch_statistics_and_optimizer(step, batch):
    before = small.new_state()
    after, _ = step(before, batch, jax.random.key(0))
    assert after.step == 1
    for name in ("params", "ema_variables", "batch_stats", "opt_state"):
        old, new = (jax.tree.leaves(getattr(state, name)) for state in (before, after))
        assert any((was != now).any() for was, now in zip(old, new, strict=True)), name


def test_steps_on_one_batch_reduce_its_loss(step, batch):
    state = small.new_state()
    losses = []
    for number in range(150):
        state, metrics = step(state, batch, jax.random.fold_in(jax.random.key(0), number))
        losses.append(float(metrics["loss"]))
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_augmentation_mixing_and_dropout_have_different_keys(problem):
    state, batch = problem
    keys = {"step": jax.random.key(0)}

    def augment(batch, key):
        keys["augmentation"] = key
        return (normalise(batch["text"]),)

    def mix(inputs, key):
        keys["mixing"] = key
        return inputs, lambda labels: labels

    def apply(*arguments, rngs, **options):
        keys["dropout"] = rngs["dropout"]
        return linear(*arguments, rngs=rngs, **options)

    pipeline = dataclasses.replace(PIPELINE, augment=augment, mix=mix)
    step = partial(train_step, pipeline=pipeline)
    step(state.replace(apply_fn=apply), batch, keys["step"])
    bits = {name: tuple(jax.random.key_data(key).tolist()) for name, key in keys.items()}
    assert len(set(bits.values())) == 4
