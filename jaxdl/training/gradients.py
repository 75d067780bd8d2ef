"""Gradient accumulation: the gradients of a batch, computed in parts to save memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.cpu.loops import tracing_loop

GradFn = Callable[[Any, Any, dict[str, jax.Array], jax.Array], tuple[Any, tuple[Any, Any]]]


def accumulate(grad_fn: GradFn, micro_batches: int) -> GradFn:
    """Wraps ``grad_fn`` so that it computes its gradients one part of the batch after another.

    Gradients and metrics are averaged over the parts; BatchNorm sees each part by itself.

    Args:
      grad_fn: ``grad_fn(params, batch_stats, batch, key) -> (grads, (batch_stats, metrics))``.
      micro_batches: number of parts, which must divide the batch size; 1 returns ``grad_fn``.
    """
    if micro_batches == 1:
        return grad_fn

    def accumulated(params: Any, batch_stats: Any, batch: dict[str, jax.Array], key: jax.Array):
        # Each part takes examples from the whole batch, and so from all devices.
        parts = jax.tree.map(
            lambda x: x.reshape(-1, micro_batches, *x.shape[1:]).swapaxes(0, 1), batch
        )
        keys = jax.random.split(key, micro_batches)

        def add(carry: Any, part: Any) -> tuple[Any, Any]:
            batch_stats, totals = carry
            with tracing_loop():
                grads, (batch_stats, metrics) = grad_fn(params, batch_stats, *part)
            return (batch_stats, jax.tree.map(jnp.add, totals, grads)), metrics

        start = (batch_stats, jax.tree.map(jnp.zeros_like, params))
        (batch_stats, totals), metrics = lax.scan(add, start, (parts, keys))
        grads = jax.tree.map(lambda total: total / micro_batches, totals)
        return grads, (batch_stats, jax.tree.map(jnp.mean, metrics))

    return accumulated
