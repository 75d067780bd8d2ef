"""Train step and evaluation of a classifier: softmax cross-entropy over integer labels."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from jaxdl.training.state import TrainState

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]
Inputs = tuple[jax.Array, ...]
Prepare = Callable[[Batch, jax.Array], Inputs]
View = Callable[[Batch], Inputs]
TrainStep = Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]
Mix = Callable[[Inputs, jax.Array], tuple[Inputs, jax.Array, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Task:
    """How stored examples become inputs of a model.

    Attributes:
      prepare: ``prepare(batch, key)``, inputs to train on, augmented at random.
      views: ``view(batch)``, inputs to predict on; the logits of several views are averaged.
      mix: ``mix(inputs, key)`` gives mixed inputs, int32 (batch,), with which example each
        was mixed, and float32 (batch,), the share that each kept of itself; None for none.
      lengths: to which a batch of "tokens" (batch, time) may be cut if none is longer, in
        growing order, the last one the longest there is; each is compiled by itself. Empty
        where nothing is cut.
      batch_size: examples to predict at once.
    """

    prepare: Prepare
    views: tuple[View, ...]
    mix: Mix | None = None
    lengths: tuple[int, ...] = ()
    batch_size: int = 500


def train_step(
    state: TrainState,
    batch: Batch,
    key: jax.Array,
    *,
    task: Task,
    label_smoothing: float = 0.0,
    micro_batches: int = 1,
) -> tuple[TrainState, Metrics]:
    """One update of the parameters. Pure: the same arguments give the same result.

    Args:
      state: before the step.
      batch: what the task prepares, each (batch, ...), and "label", int32 (batch,).
      key: the randomness of this step.
      task: how examples become inputs.
      label_smoothing: share of the label spread over all classes, in [0, 1)
        (Szegedy et al. 2015, section 7).
      micro_batches: parts of the batch that are computed one after the other, to save
        memory; they divide it. Their gradients are averaged; BatchNorm sees each alone.

    Returns:
      The state after the step; mean "loss" and "accuracy" over the batch, float32; where
      examples are mixed, the accuracy in naming each example itself.
    """
    if micro_batches == 1:
        grads, batch_stats, metrics = gradients(state, batch, key, task, label_smoothing)
        return state.apply_gradients(grads=grads, batch_stats=batch_stats), metrics

    def accumulate(carry: Any, part: tuple[Batch, jax.Array]) -> tuple[Any, None]:
        batch_stats, totals = carry
        grads, batch_stats, metrics = gradients(
            state.replace(batch_stats=batch_stats), *part, task, label_smoothing
        )
        return (batch_stats, jax.tree.map(jnp.add, totals, (grads, metrics))), None

    # Each part takes examples from the whole batch, and so from all devices.
    parts = jax.tree.map(lambda x: x.reshape(-1, micro_batches, *x.shape[1:]).swapaxes(0, 1), batch)
    zeros = (jax.tree.map(jnp.zeros_like, state.params), {"loss": 0.0, "accuracy": 0.0})
    (batch_stats, totals), _ = lax.scan(
        accumulate, (state.batch_stats, zeros), (parts, jax.random.split(key, micro_batches))
    )
    grads, metrics = jax.tree.map(lambda total: total / micro_batches, totals)
    return state.apply_gradients(grads=grads, batch_stats=batch_stats), metrics


def cut_to_longest(step: TrainStep, lengths: Sequence[int]) -> TrainStep:
    """The same train step, without the padding that all texts of a batch have.

    Args:
      step: on batches with "tokens" (batch, time) and their "length" (batch,).
      lengths: see `Task`.
    """

    def step_of(length: int) -> TrainStep:
        return lambda state, batch, key: step(
            state, batch | {"tokens": batch["tokens"][:, :length]}, key
        )

    def cut_step(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        shortest = jnp.searchsorted(jnp.array(lengths), batch["length"].max())
        return lax.switch(shortest, [step_of(length) for length in lengths], state, batch, key)

    return cut_step


def gradients(
    state: TrainState, batch: Batch, key: jax.Array, task: Task, label_smoothing: float
) -> tuple[Any, Any, Metrics]:
    """Gradients of the parameters, new batch statistics and metrics; see `train_step`."""
    prepare_key, dropout_key, mix_key = jax.random.split(key, 3)
    inputs = task.prepare(batch, prepare_key)
    if task.mix:
        inputs, partners, shares = task.mix(inputs, mix_key)

    def loss_fn(params: Any) -> tuple[jax.Array, tuple[jax.Array, Any]]:
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats},
            *inputs,
            train=True,
            rngs={"dropout": dropout_key},
            mutable=["batch_stats"],
        )
        labels = jax.nn.one_hot(batch["label"], logits.shape[-1])
        if task.mix:
            labels = shares[:, None] * labels + (1 - shares[:, None]) * labels[partners]
        labels = optax.smooth_labels(labels, label_smoothing)
        return optax.softmax_cross_entropy(logits, labels).mean(), (logits, updates)

    (loss, (logits, updates)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    accuracy = jnp.mean(logits.argmax(-1) == batch["label"])
    return grads, updates.get("batch_stats", {}), {"loss": loss, "accuracy": accuracy}


def evaluate(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Mean "loss" and "accuracy" over a whole split.

    Args:
      logits: float32 (examples, classes).
      labels: int32 (examples,).
    """
    return {name: float(value) for name, value in _mean_metrics(logits, labels).items()}


@jax.jit
def _mean_metrics(logits: jax.Array, labels: jax.Array) -> Metrics:
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    correct = logits.argmax(-1) == labels
    return {"loss": losses.mean(), "accuracy": correct.mean()}
