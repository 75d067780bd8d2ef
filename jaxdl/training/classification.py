"""Train step and evaluation of a classifier: softmax cross-entropy over integer labels."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.training.gradients import accumulate
from jaxdl.training.perturbation import with_adversary
from jaxdl.training.pipeline import Batch, InputPipeline
from jaxdl.training.state import TrainState

Metrics = dict[str, jax.Array]


def train_step(
    state: TrainState,
    batch: Batch,
    key: jax.Array,
    *,
    pipeline: InputPipeline,
    label_smoothing: float = 0.0,
    micro_batches: int = 1,
) -> tuple[TrainState, Metrics]:
    """Updates the parameters once. Pure: the same arguments give the same result.

    Args:
      state: before the step.
      batch: features that the pipeline takes, each (batch, ...), and "label", int32 (batch,).
      key: the randomness of this step.
      pipeline: turns the batch into inputs of the model.
      label_smoothing: share of the label spread over all classes, in [0, 1)
        (Szegedy et al. 2015, section 7).
      micro_batches: number of parts in which gradients are computed, see `accumulate`.

    Returns:
      The state after the step; mean "loss" and "accuracy" over the batch, float32. Where examples
      are mixed, the accuracy is that of predicting the example's own label.
    """

    def loss_fn(params: Any, batch_stats: Any, batch: Batch, key: jax.Array, extra: Any = None):
        augment_key, dropout_key, mix_key = jax.random.split(key, 3)
        inputs, mix_labels = pipeline.mix(pipeline.for_training(batch, augment_key), mix_key)
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": batch_stats, **(extra or {})},
            *inputs,
            train=True,
            rngs={"dropout": dropout_key},
            mutable=["batch_stats"],
        )
        labels = mix_labels(jax.nn.one_hot(batch["label"], logits.shape[-1]))
        labels = optax.smooth_labels(labels, label_smoothing)
        loss = optax.softmax_cross_entropy(logits, labels).mean()
        accuracy = jnp.mean(logits.argmax(-1) == batch["label"])
        return loss, (updates.get("batch_stats", {}), {"loss": loss, "accuracy": accuracy})

    grad_fn = jax.grad(loss_fn, has_aux=True)
    if pipeline.perturbation:
        grad_fn = with_adversary(loss_fn, pipeline.perturbation)
    grad_fn = accumulate(grad_fn, micro_batches)
    grads, (batch_stats, metrics) = grad_fn(state.params, state.batch_stats, batch, key)
    return state.apply_gradients(grads=grads, batch_stats=batch_stats), metrics


def evaluate(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Computes the mean "loss" and "accuracy" over a split; no metrics if it is empty.

    Args:
      logits: float32 (examples, classes).
      labels: int32 (examples,).
    """
    if not len(labels):
        return {}
    return {name: float(value) for name, value in _mean_metrics(logits, labels).items()}


@jax.jit
def _mean_metrics(logits: jax.Array, labels: jax.Array) -> Metrics:
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    correct = logits.argmax(-1) == labels
    return {"loss": losses.mean(), "accuracy": correct.mean()}
