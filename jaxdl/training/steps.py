"""Many train steps in one compiled call, and prediction over a whole split."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

State = Any
Arrays = dict[str, jax.Array]
TrainStep = Callable[[State, Arrays, jax.Array], tuple[State, Arrays]]
Carry = tuple[State, Arrays]


@partial(jax.jit, static_argnums=(0, 2))
def epoch_order(seed: int, epoch: jax.Array, num_examples: int) -> jax.Array:
    """In which order an epoch sees the examples, int32 (num_examples,).

    It is made once for an epoch: to shuffle takes a sixth of a small network's step.
    """
    order_key, _ = jax.random.split(jax.random.key(seed))
    return jax.random.permutation(jax.random.fold_in(order_key, epoch), num_examples)


def make_train_steps(
    train_step: TrainStep, batch_size: int, seed: int, looped: bool = True
) -> Callable[[Carry, Arrays, jax.Array, jax.Array, jax.Array], Carry]:
    """Compiles ``train_step`` into a loop on the device: gather, step, record.

    All randomness is a pure function of (seed, step): the order of an epoch comes from
    the number of the epoch, the key of a step from the number of the step. So a run
    may stop after any step and go on later, in calls of any length, to the same bits.

    Args:
      train_step: ``train_step(state, batch, key) -> (state, metrics)``, pure. Beside the
        data, a batch says where it comes from: "index" in the data, "epoch", both int32 (batch,).
      batch_size: examples of a step; what is left of an epoch's order is not seen.
      seed: of the order and of the steps.
      looped: whether a call makes any number of steps; if not, it makes the one at its
        start, and no loop stands around it, where XLA for CPU would be slow to convolve.

    Returns:
      ``train_steps((state, history), data, order, start, stop)``, jitted, its first
      argument donated: runs the steps from ``start`` to before ``stop``, both of one epoch.
      ``data`` holds arrays (examples, ...); ``order`` is the epoch's `epoch_order`;
      ``history`` holds one float32 array for each metric, (steps_per_epoch,), into which
      the steps write.
    """
    _, step_key = jax.random.split(jax.random.key(seed))

    @partial(jax.jit, donate_argnums=0)
    def train_steps(
        carry: Carry, data: Arrays, order: jax.Array, start: jax.Array, stop: jax.Array
    ) -> Carry:
        steps_per_epoch = len(order) // batch_size
        epoch = start // steps_per_epoch

        def body(step: jax.Array, carry: Carry) -> Carry:
            state, history = carry
            position = step % steps_per_epoch
            indices = lax.dynamic_slice_in_dim(order, position * batch_size, batch_size)
            batch = jax.tree.map(lambda array: array[indices], data)
            batch |= {"index": indices, "epoch": jnp.full_like(indices, epoch)}
            state, metrics = train_step(state, batch, jax.random.fold_in(step_key, step))
            history = {
                name: values.at[position].set(metrics[name]) for name, values in history.items()
            }
            return state, history

        return lax.fori_loop(start, stop, body, carry) if looped else body(start, carry)

    return train_steps


def empty_history(
    train_step: TrainStep, state: State, data: Arrays, batch_size: int
) -> dict[str, jax.Array]:
    """Room for the metrics of one epoch: for each metric, zeros of (steps_per_epoch,)."""
    batch = {
        name: jax.ShapeDtypeStruct((batch_size, *array.shape[1:]), array.dtype)
        for name, array in data.items()
    }
    origin = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    batch |= {"index": origin, "epoch": origin}
    _, metrics = jax.eval_shape(train_step, state, batch, jax.random.key(0))
    steps_per_epoch = len(next(iter(data.values()))) // batch_size
    return {name: jnp.zeros(steps_per_epoch, jnp.float32) for name in metrics}


def make_predict(
    apply: Callable[[Any, Arrays], Any], batch_size: int = 500
) -> Callable[[Any, dict[str, np.ndarray]], Any]:
    """Compiles ``apply(variables, batch)`` for whole splits, one program for any length.

    Args:
      apply: maps a batch, arrays (batch, ...), to outputs, one array or a tree of them,
        each (batch, ...).
      batch_size: examples of a call; the last batch is padded, the padding cut off.

    Returns:
      ``predict(variables, split)``: arrays (examples, ...), outputs (examples, ...).
    """
    apply_batch = jax.jit(apply)

    def pad(array: np.ndarray) -> np.ndarray:
        missing = batch_size - len(array)
        return np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))

    def predict(variables: Any, split: dict[str, np.ndarray]) -> Any:
        num_examples = len(next(iter(split.values())))
        outputs = []
        for start in range(0, max(1, num_examples), batch_size):
            stop = start + batch_size
            batch = {name: pad(array[start:stop]) for name, array in split.items()}
            outputs.append(apply_batch(variables, batch))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:num_examples], *outputs)

    return predict
