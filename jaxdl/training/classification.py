"""Train step and evaluation of a classifier: softmax cross-entropy over integer labels."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.training.state import TrainState

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]
Prepare = Callable[[Batch, jax.Array | None], tuple[jax.Array, ...]]


def train_step(
    state: TrainState,
    batch: Batch,
    key: jax.Array,
    *,
    prepare: Prepare,
    label_smoothing: float = 0.0,
) -> tuple[TrainState, Metrics]:
    """One update of the parameters. Pure: the same arguments give the same result.

    Args:
      state: before the step.
      batch: what ``prepare`` takes, each (batch, ...), and "label", int32 (batch,).
      key: the randomness of this step.
      prepare: ``prepare(batch, key)`` gives the model's inputs; with a key it augments.
      label_smoothing: share of the label spread over all classes, in [0, 1)
        (Szegedy et al. 2015, section 7).

    Returns:
      The state after the step; mean "loss" and "accuracy" over the batch, float32.
    """
    prepare_key, dropout_key = jax.random.split(key)
    inputs = prepare(batch, prepare_key)

    def loss_fn(params: Any) -> tuple[jax.Array, tuple[jax.Array, Any]]:
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats},
            *inputs,
            train=True,
            rngs={"dropout": dropout_key},
            mutable=["batch_stats"],
        )
        labels = jax.nn.one_hot(batch["label"], logits.shape[-1])
        labels = optax.smooth_labels(labels, label_smoothing)
        return optax.softmax_cross_entropy(logits, labels).mean(), (logits, updates)

    (loss, (logits, updates)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    state = state.apply_gradients(grads=grads, batch_stats=updates.get("batch_stats", {}))
    accuracy = jnp.mean(logits.argmax(-1) == batch["label"])
    return state, {"loss": loss, "accuracy": accuracy}


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
