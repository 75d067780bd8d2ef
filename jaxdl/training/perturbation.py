"""Adversarial training on the embeddings of texts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.models.text_embedding import PERTURBATIONS
from jaxdl.training.gradients import GradFn
from jaxdl.training.layers import EMBEDDING


def with_adversary(loss_fn: Callable[..., Any], size: float) -> GradFn:
    """Returns a ``grad_fn`` for the mean of two losses: on texts, and on perturbed texts.

    The perturbation of a text's embedding is a step along the gradient of its loss (Miyato et al.
    2016, "Adversarial Training Methods for Semi-Supervised Text Classification", section 3). The
    metrics and batch statistics are those of the unperturbed texts.

    Args:
      loss_fn: ``loss_fn(params, batch_stats, batch, key, extra)`` returns the loss and
        (batch_stats, metrics); ``extra`` has further collections of variables of the model.
      size: L2 norm of the perturbation of a text's embedding, relative to that of the embedding.
    """

    def grad_fn(params: Any, batch_stats: Any, batch: dict[str, jax.Array], key: jax.Array):
        width = params[EMBEDDING][EMBEDDING].shape[1]
        zeros = jnp.zeros((*batch["tokens"].shape, width))

        def loss_of(params: Any, perturbation: jax.Array) -> Any:
            return loss_fn(
                params, batch_stats, batch, key, {PERTURBATIONS: {EMBEDDING: perturbation}}
            )

        (grads, direction), rest = jax.grad(loss_of, argnums=(0, 1), has_aux=True)(params, zeros)
        perturbed_grads, _ = jax.grad(loss_of, has_aux=True)(params, size * unit(direction))
        return jax.tree.map(lambda one, other: (one + other) / 2, grads, perturbed_grads), rest

    return grad_fn


def unit(arrays: jax.Array) -> jax.Array:
    """Scales each example of (batch, ...) to an L2 norm of 1; zeros stay zeros."""
    axes = tuple(range(1, arrays.ndim))
    largest = jnp.abs(arrays).max(axis=axes, keepdims=True)
    scaled = arrays / jnp.where(largest > 0, largest, 1)  # so that no square underflows
    norm = jnp.sqrt(jnp.square(scaled).sum(axis=axes, keepdims=True))
    return scaled / jnp.where(norm > 0, norm, 1)
