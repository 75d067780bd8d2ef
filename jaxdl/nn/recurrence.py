"""Recurrence over time with one small matrix product per time step, all others outside the loop.

The loop over time makes recurrent networks slow, so it contains as little as possible. The inputs
are projected before it, for all time steps in one product. The gradient of the recurrent kernel is
computed after it, again in one product, where automatic differentiation would add up a small one at
each time step (Appleyard, Kočiský and Blunsom 2016,
"Optimizing Performance of Recurrent Neural Networks on GPUs", section 3).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.nn.products import product_in_float32

Gates = tuple[jax.Array, ...]
Carry = tuple[jax.Array, ...]


class Cell(NamedTuple):
    """A recurrent cell without its matrix products.

    Attributes:
      update: ``update(inputs, recurrent, carry) -> carry``, elementwise: ``inputs`` and
        ``recurrent`` are the projections of the input and of the hidden state, one array
        (batch, features) for each gate; ``carry`` has such arrays too, the hidden state first.
      gates: number of projections that the cell takes.
      carries: number of arrays that it passes from time step to time step.
    """

    update: Callable[[Gates, Gates, Carry], Carry]
    gates: int
    carries: int


def _sigmoid(x: jax.Array) -> jax.Array:
    """Computes the logistic function by the hyperbolic tangent, which is faster on CPU."""
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


def _simple(inputs: Gates, recurrent: Gates, carry: Carry) -> Carry:
    del carry
    return (jnp.tanh(inputs[0] + recurrent[0]),)


def _lstm(inputs: Gates, recurrent: Gates, carry: Carry) -> Carry:
    _, memory = carry
    input_gate, forget_gate, candidate, output_gate = map(jnp.add, inputs, recurrent)
    memory = _sigmoid(forget_gate) * memory
    memory += _sigmoid(input_gate) * jnp.tanh(candidate)
    return _sigmoid(output_gate) * jnp.tanh(memory), memory


def _gru(inputs: Gates, recurrent: Gates, carry: Carry) -> Carry:
    (hidden,) = carry
    reset = _sigmoid(inputs[0] + recurrent[0])
    update = _sigmoid(inputs[1] + recurrent[1])
    candidate = jnp.tanh(inputs[2] + reset * recurrent[2])
    return (candidate + update * (hidden - candidate),)


CELLS = {
    # Elman 1990, "Finding Structure in Time".
    "simple": Cell(_simple, gates=1, carries=1),
    # Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; gates in the
    # order of PyTorch: input, forget, candidate, output.
    "lstm": Cell(_lstm, gates=4, carries=2),
    # Cho et al. 2014, reset gate after the product as in cuDNN; gates: reset, update, candidate.
    "gru": Cell(_gru, gates=3, carries=1),
}


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def recurrence(
    cell: Cell, inputs: Gates, kernel: jax.Array, bias: jax.Array, mask: jax.Array
) -> jax.Array:
    """Runs a cell over time, from an initial state of zeros.

    Args:
      cell: one of `CELLS`.
      inputs: the projected inputs, one array (time, batch, features) for each gate: separate,
        because XLA for CPU does not vectorise a loop that takes several parts of one slice.
      kernel: kernel of the recurrent projection, (features, gates * features).
      bias: bias of the recurrent projection, (gates * features,).
      mask: bool (time, batch); where it is False the time step leaves the state unchanged.

    Returns:
      The hidden state after each time step, (time, batch, features).
    """
    return _forward(cell, inputs, kernel, bias, mask)[0]


def _update(cell: Cell, mask: jax.Array, inputs: Gates, recurrent: Gates, carry: Carry) -> Carry:
    new = cell.update(inputs, recurrent, carry)
    return jax.tree.map(partial(jnp.where, mask[:, None]), new, carry)


def _forward(
    cell: Cell, inputs: Gates, kernel: jax.Array, bias: jax.Array, mask: jax.Array
) -> tuple[jax.Array, Any]:
    zeros = (jnp.zeros_like(inputs[0][0]),) * cell.carries

    def step(carry: Carry, now: tuple[Gates, jax.Array]) -> tuple[Carry, Any]:
        inputs_now, mask_now = now
        projected = product_in_float32(carry[0], kernel).astype(kernel.dtype) + bias
        recurrent = tuple(jnp.split(projected, cell.gates, axis=-1))
        new = _update(cell, mask_now, inputs_now, recurrent, carry)
        return new, (new[0], carry, recurrent)

    _, (hidden, carries, recurrent) = lax.scan(step, zeros, (inputs, mask))
    return hidden, (inputs, mask, carries, recurrent, kernel)


def _backward(
    cell: Cell, residuals: Any, hidden_gradients: jax.Array
) -> tuple[Gates, jax.Array, jax.Array, None]:
    """Computes the gradients of inputs, kernel and bias, from the last time step to the first.

    ``later`` and ``earlier`` are the gradients of the carry after and before a time step. The
    elementwise operations are computed again, which is cheaper than keeping their results.
    """
    inputs, mask, carries, recurrent, kernel = residuals
    transposed = kernel.T
    zeros = (jnp.zeros_like(hidden_gradients[0]),) * cell.carries

    def step(later: Carry, now: Any) -> tuple[Carry, tuple[Gates, jax.Array]]:
        inputs_now, mask_now, carry, recurrent_now, hidden_gradient = now
        _, pull_back = jax.vjp(partial(_update, cell, mask_now), inputs_now, recurrent_now, carry)
        inputs_gradient, by_gate, earlier = pull_back((later[0] + hidden_gradient, *later[1:]))
        recurrent_gradient = jnp.concatenate(by_gate, axis=-1)
        through_kernel = product_in_float32(recurrent_gradient, transposed).astype(kernel.dtype)
        return (earlier[0] + through_kernel, *earlier[1:]), (inputs_gradient, recurrent_gradient)

    _, (inputs_gradients, recurrent_gradients) = lax.scan(
        step, zeros, (inputs, mask, carries, recurrent, hidden_gradients), reverse=True
    )
    hidden, gradients = (x.reshape(-1, x.shape[-1]) for x in (carries[0], recurrent_gradients))
    return (
        inputs_gradients,
        product_in_float32(hidden.T, gradients).astype(kernel.dtype),
        recurrent_gradients.sum((0, 1)),
        None,
    )


recurrence.defvjp(_forward, _backward)
