"""Many train steps in one compiled call, and prediction over a whole split."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from jaxdl.console import progress
from jaxdl.training.mesh import by_example, constrain_state, copied, place

State = Any
Arrays = dict[str, jax.Array]
TrainStep = Callable[[State, Arrays, jax.Array], tuple[State, Arrays]]
Carry = tuple[State, Arrays]
Predict = Callable[..., Any]

BATCHES_SORTED = 50


@partial(jax.jit, static_argnums=(0, 2))
def epoch_order(seed: int, epoch: jax.Array, num_examples: int) -> jax.Array:
    """In which order an epoch sees the examples, int32 (num_examples,).

    It is made once for an epoch: to shuffle takes a sixth of a small network's step.
    """
    order_key, _ = jax.random.split(jax.random.key(seed))
    return jax.random.permutation(jax.random.fold_in(order_key, epoch), num_examples)


def group_by_length(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, random: np.random.Generator
) -> np.ndarray:
    """Another order, in which the examples of a batch are of about the same length.

    Examples are sorted within many batches, not within all, so that an example meets others in
    every epoch; the batches are then shuffled.

    Args:
      order: int32 (examples,), shuffled.
      lengths: int (examples,), by the number of the example.
      batch_size: examples of a batch; those that fill none are left out.
      random: shuffles the batches.

    Returns:
      int32 (batches * batch_size,).
    """
    num_batches = len(order) // batch_size
    whole = order[: num_batches * batch_size]
    portions = [
        portion[np.argsort(lengths[portion], kind="stable")]
        for portion in np.split(whole, range(0, len(whole), BATCHES_SORTED * batch_size)[1:])
    ]
    batches = np.concatenate(portions).reshape(num_batches, batch_size)
    return random.permutation(batches).reshape(-1)


def make_train_steps(
    train_step: TrainStep, batch_size: int, seed: int, mesh: Mesh, looped: bool = True
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
      mesh: over whose devices examples and state are laid out.
      looped: whether a call makes any number of steps; if not, it makes the one at its
        start, and no loop stands around it, where XLA for CPU would be slow to convolve.

    Returns:
      ``train_steps((state, history), data, order, start, stop)``, jitted, its first
      argument donated: runs the steps from ``start`` to before ``stop``, both of one epoch.
      ``data`` holds arrays (examples, ...), on each device, which takes its share of every
      batch; ``order`` is the epoch's `epoch_order`;
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
            indices = lax.with_sharding_constraint(indices, by_example(mesh))
            batch = jax.tree.map(lambda array: array[indices], data)
            batch |= {"index": indices, "epoch": jnp.full_like(indices, epoch)}
            state, metrics = train_step(state, batch, jax.random.fold_in(step_key, step))
            history = {
                name: values.at[position].set(metrics[name]) for name, values in history.items()
            }
            return state, history

        state, history = lax.fori_loop(start, stop, body, carry) if looped else body(start, carry)
        return constrain_state(state, mesh), lax.with_sharding_constraint(history, copied(mesh))

    return train_steps


def as_rows(split: Arrays) -> Arrays:
    """Examples as rows, (examples, values): so they lie one after the other on every device.

    A TPU would copy a split of images before each call, and fill up their channels, to have
    the examples of a batch in one piece: 780 MB instead of 160 for CIFAR-10.
    """
    return {
        name: array.reshape(len(array), -1) if array.ndim > 1 else array
        for name, array in split.items()
    }


def from_rows(train_step: TrainStep, split: Arrays) -> TrainStep:
    """A train step on batches of rows of a split: the same step on the examples that they are."""

    shapes = {name: array.shape[1:] for name, array in split.items()}

    def step(state: State, batch: Arrays, key: jax.Array) -> tuple[State, Arrays]:
        examples = {name: batch[name].reshape(-1, *shape) for name, shape in shapes.items()}
        return train_step(state, batch | examples, key)

    return step


def describe_batch(data: Arrays, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of what a train step gets, a batch of ``data`` and where it comes from."""
    batch = {
        name: jax.ShapeDtypeStruct((batch_size, *array.shape[1:]), array.dtype)
        for name, array in data.items()
    }
    origin = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    return batch | {"index": origin, "epoch": origin}


def empty_history(
    train_step: TrainStep, state: State, data: Arrays, batch_size: int
) -> dict[str, np.ndarray]:
    """Room for the metrics of one epoch: for each metric, zeros of (steps_per_epoch,)."""
    batch = describe_batch(data, batch_size)
    _, metrics = jax.eval_shape(train_step, state, batch, jax.random.key(0))
    steps_per_epoch = len(next(iter(data.values()))) // batch_size
    return {name: np.zeros(steps_per_epoch, np.float32) for name in metrics}


def make_predict(
    apply: Callable[[Any, Arrays], Any], batch_size: int = 500, mesh: Mesh | None = None
) -> Predict:
    """Compiles ``apply(variables, batch)`` for whole splits, one program for any length.

    Args:
      apply: maps a batch, arrays (batch, ...), to outputs, one array or a tree of them,
        each (batch, ...).
      batch_size: examples of a call; the last batch is padded, the padding cut off.
      mesh: over whose devices a batch, made a little larger if need be, is divided; None
        for one device.

    Returns:
      ``predict(variables, split, description)``: arrays (examples, ...), outputs
      (examples, ...); with a description, how far it is is shown.
    """
    devices = mesh.size if mesh else 1
    batch_size = math.ceil(batch_size / devices) * devices
    apply_batch = jax.jit(apply, out_shardings=copied(mesh) if mesh else None)

    def batch_of(array: np.ndarray, start: int) -> Any:
        array = array[start : start + batch_size]
        missing = batch_size - len(array)
        array = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        return place(array, by_example(mesh)) if mesh else array

    def predict(variables: Any, split: dict[str, np.ndarray], description: str = "") -> Any:
        num_examples = len(next(iter(split.values())))
        outputs = []
        with progress(description, num_examples) if description else nullcontext() as show:
            for start in range(0, max(1, num_examples), batch_size):
                batch = {name: batch_of(array, start) for name, array in split.items()}
                outputs.append(apply_batch(variables, batch))
                if show:
                    jax.block_until_ready(outputs[-1])
                    show(min(start + batch_size, num_examples))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:num_examples], *outputs)

    return predict


def predict_by_length(predict: Predict, lengths: Sequence[int]) -> Predict:
    """The same predictions, without the padding that all texts of a batch have.

    Args:
      predict: from `make_predict`; its examples have "tokens" (examples, time) and "length".
      lengths: to which texts may be cut, in growing order; the last is the longest there is.
    """

    def predict_all(variables: Any, split: dict[str, np.ndarray], description: str = "") -> Any:
        shortest = np.searchsorted(lengths, split["length"])
        parts, origins = [], []
        for number in sorted({*shortest}) or [0]:
            chosen = np.flatnonzero(shortest == number)
            part = {name: array[chosen] for name, array in split.items()}
            part["tokens"] = part["tokens"][:, : lengths[number]]
            up_to = description and f"{description}, texts of up to {lengths[number]} tokens"
            parts.append(predict(variables, part, up_to))
            origins.append(chosen)
        back = np.argsort(np.concatenate(origins))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays)[back], *parts)

    return predict_all
