"""Minimisation by L-BFGS, for models that are fitted to the whole training split at once."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxdl.data.tracking import tracked

STEPS_PER_CALL = 10


def minimise(
    loss_fn: Callable[..., jax.Array],
    params: Any,
    data: tuple[jax.Array, ...],
    steps: int,
    description: str,
) -> Any:
    """Minimises a loss by L-BFGS with a line search (Liu and Nocedal 1989).

    Args:
      loss_fn: ``loss_fn(params, *data)`` returns the loss on all data.
      params: initial parameters.
      data: arrays on the device.
      steps: number of steps, a multiple of `STEPS_PER_CALL`.
      description: text to show with the progress.

    Returns:
      The parameters after these steps.
    """
    optimizer = optax.lbfgs()

    @jax.jit
    def advance(params: Any, state: Any, data: tuple[jax.Array, ...]) -> tuple[Any, Any]:
        def loss(params: Any) -> jax.Array:
            return loss_fn(params, *data)

        value_and_grad = optax.value_and_grad_from_state(loss)

        def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
            params, state = carry
            value, grad = value_and_grad(params, state=state)
            updates, state = optimizer.update(
                grad, state, params, value=value, grad=grad, value_fn=loss
            )
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), length=STEPS_PER_CALL)[0]

    state = optimizer.init(params)
    for _ in tracked(range(0, steps, STEPS_PER_CALL), description):
        params, state = jax.block_until_ready(advance(params, state, data))
    return params
