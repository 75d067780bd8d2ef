"""Recurrent layers over time: one small matrix product a step, everything else outside the loop.

The loop over time is what makes recurrent networks slow, so as little as possible stands in
it. The projection of the inputs is done before, for all steps in one product. The gradient
of the recurrent kernel is gathered after, again in one product, where automatic
differentiation would add up a small one at each step (Appleyard, Kočiský and Blunsom 2016,
"Optimizing Performance of Recurrent Neural Networks on GPUs", section 3).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Carry = tuple[jax.Array, ...]


class Cell(NamedTuple):
    """A recurrent cell without its matrix products.

    Attributes:
      update: ``update(inputs, recurrent, carry) -> carry``, elementwise over the batch:
        ``inputs`` and ``recurrent`` are the projections of the input and of the hidden
        state, (batch, gates * features); the carry's arrays are (batch, features), the
        hidden state first.
      gates: how many projections the cell takes.
      carries: how many arrays it hands from step to step.
    """

    update: Callable[[jax.Array, jax.Array, Carry], Carry]
    gates: int
    carries: int


def _simple(inputs: jax.Array, recurrent: jax.Array, carry: Carry) -> Carry:
    return (jnp.tanh(inputs + recurrent),)


def _lstm(inputs: jax.Array, recurrent: jax.Array, carry: Carry) -> Carry:
    _, memory = carry
    input_gate, forget_gate, candidate, output_gate = jnp.split(inputs + recurrent, 4, axis=-1)
    memory = jax.nn.sigmoid(forget_gate) * memory
    memory += jax.nn.sigmoid(input_gate) * jnp.tanh(candidate)
    return jax.nn.sigmoid(output_gate) * jnp.tanh(memory), memory


def _gru(inputs: jax.Array, recurrent: jax.Array, carry: Carry) -> Carry:
    (hidden,) = carry
    input_reset, input_update, input_candidate = jnp.split(inputs, 3, axis=-1)
    hidden_reset, hidden_update, hidden_candidate = jnp.split(recurrent, 3, axis=-1)
    reset = jax.nn.sigmoid(input_reset + hidden_reset)
    update = jax.nn.sigmoid(input_update + hidden_update)
    candidate = jnp.tanh(input_candidate + reset * hidden_candidate)
    return (candidate + update * (hidden - candidate),)


CELLS = {
    # Elman 1990, "Finding Structure in Time".
    "simple": Cell(_simple, gates=1, carries=1),
    # Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gates in the
    # order of PyTorch: input, forget, candidate, output.
    "lstm": Cell(_lstm, gates=4, carries=2),
    # Cho et al. 2014, the reset gate after the product as in cuDNN; reset, update, candidate.
    "gru": Cell(_gru, gates=3, carries=1),
}


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(
    cell: Cell, inputs: jax.Array, kernel: jax.Array, bias: jax.Array, mask: jax.Array
) -> jax.Array:
    """Runs a cell over time, from a state of zeros.

    Args:
      cell: one of `CELLS`.
      inputs: the projected inputs, (time, batch, gates * features).
      kernel: of the recurrent projection, (features, gates * features).
      bias: of the recurrent projection, (gates * features,).
      mask: bool (time, batch); where it is False the step leaves the state as it was.

    Returns:
      The hidden state after each step, (time, batch, features).
    """
    return _forward(cell, inputs, kernel, bias, mask)[0]


def _forward(
    cell: Cell, inputs: jax.Array, kernel: jax.Array, bias: jax.Array, mask: jax.Array
) -> tuple[jax.Array, Any]:
    _, batch, _ = inputs.shape
    zeros = (jnp.zeros((batch, kernel.shape[0]), inputs.dtype),) * cell.carries

    def step(carry: Carry, now: tuple[jax.Array, jax.Array]) -> tuple[Carry, Any]:
        inputs_now, mask_now = now
        recurrent = carry[0] @ kernel + bias

        def update(inputs_now: jax.Array, recurrent: jax.Array, carry: Carry) -> Carry:
            new = cell.update(inputs_now, recurrent, carry)
            return jax.tree.map(partial(jnp.where, mask_now[:, None]), new, carry)

        new, pull_back = jax.vjp(update, inputs_now, recurrent, carry)
        return new, (new[0], carry[0], pull_back)

    _, (hidden, previous, pull_backs) = lax.scan(step, zeros, (inputs, mask))
    return hidden, (previous, pull_backs, kernel)


def _backward(
    cell: Cell, residuals: Any, hidden_gradients: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, None]:
    previous, pull_backs, kernel = residuals
    zeros = (jnp.zeros_like(hidden_gradients[0]),) * cell.carries

    def step(carry: Carry, now: tuple[Any, jax.Array]) -> tuple[Carry, Any]:
        pull_back, hidden_gradient = now
        inputs, recurrent, carry = pull_back((carry[0] + hidden_gradient, *carry[1:]))
        return (carry[0] + recurrent @ kernel.T, *carry[1:]), (inputs, recurrent)

    _, (inputs, recurrent) = lax.scan(step, zeros, (pull_backs, hidden_gradients), reverse=True)
    return (
        inputs,
        jnp.einsum("tbf,tbg->fg", previous, recurrent),
        recurrent.sum((0, 1)),
        None,
    )


recurrence.defvjp(_forward, _backward)
