"""The train steps of an epoch as one compiled program: gather a batch, step, record."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from jaxdl.errors import UsageError
from jaxdl.nn.backend import is_cpu
from jaxdl.nn.cpu.loops import trace_step, tracing_steps
from jaxdl.randomness import Purpose, key_for
from jaxdl.training.mesh import (
    batch_sharding,
    constrain_state,
    device_put,
    replicated,
    state_sharding,
)
from jaxdl.training.text_batches import group_by_length

State = Any
Arrays = dict[str, jax.Array]
TrainStep = Callable[[State, Arrays, jax.Array], tuple[State, Arrays]]
Carry = tuple[State, Arrays]


class CompiledEpoch:
    """Runs the train steps of an epoch on the device, any number of them in a call.

    All randomness is a pure function of (seed, step): the order of an epoch depends on the
    number of the epoch, the key of a step on the number of the step. So a training may stop
    after any step and be resumed later, in calls of any length, with bitwise identical results.

    On CPU, where some convolutions are slow inside a loop, a program may hold a single step;
    see `jaxdl.nn.cpu.loops`.

    Attributes:
      steps_per_epoch: number of whole batches in the split; an epoch skips the examples left over.
      step_arguments: what the train step is traced with: the shapes of a state and of a batch, and
        a key.
    """

    def __init__(
        self,
        train_step: TrainStep,
        state: State,
        split: Any,
        batch_size: int,
        seed: int,
        mesh: Mesh,
        lengths: np.ndarray | None = None,
    ):
        """Traces the step to learn its metrics; nothing is compiled yet.

        Args:
          train_step: ``train_step(state, batch, key) -> (state, metrics)``, pure; metrics are
            scalars. Besides the features of the split, a batch tells where it comes from:
            "index" in the split and "epoch", both int32 (batch,).
          state: the train state, or its shapes.
          split: arrays (examples, ...), or their shapes, which suffice for `lower` but not `run`.
          batch_size: number of examples in a step.
          seed: determines the order of the examples and the keys of the steps.
          mesh: the devices over which batches and state are sharded.
          lengths: int (examples,), lengths of the examples; those in a batch then have about the
            same length. None to batch examples regardless of length.

        Raises:
          UsageError: the split has fewer examples than a batch.
        """
        self._train_step, self._split, self._mesh = train_step, split, mesh
        self._batch_size, self._seed, self._lengths = batch_size, seed, lengths
        self._key = key_for(Purpose.STEP, seed)  # a constant of the program
        self._num_examples = len(next(iter(split.values())))
        self.steps_per_epoch = self._num_examples // batch_size
        require_whole_batch(batch_size, self._num_examples)
        self.step_arguments = (
            with_shardings(state, lambda leaf: state_sharding(leaf.shape, mesh)),
            batch_shapes(split, batch_size),
            jax.random.key(0),
        )
        (_, metrics), loop_pays = trace_step(train_step, *self.step_arguments)
        self._metrics = sorted(metrics)
        self._in_loop = loop_pays or not is_cpu(mesh)
        self._order = (-1, None)  # of no epoch yet

    def empty_history(self) -> dict[str, np.ndarray]:
        """Returns zeros, float32 (steps_per_epoch,), for each metric of the step."""
        return {name: np.zeros(self.steps_per_epoch, np.float32) for name in self._metrics}

    def lower(self) -> jax.stages.Lowered:
        """Traces the program for the devices of the mesh; once compiled, it is passed to `run`."""
        everywhere = replicated(self._mesh)
        history, rows = jax.eval_shape(
            lambda split: (self.empty_history(), as_rows(split)), self._split
        )
        num_ordered = self.steps_per_epoch * self._batch_size
        if self._lengths is None:
            num_ordered = self._num_examples
        order = jax.ShapeDtypeStruct((num_ordered,), jnp.int32)
        history, rows, order = with_shardings((history, rows, order), lambda _: everywhere)
        with tracing_steps(self._in_loop):
            program = jax.jit(self._run_steps, donate_argnums=0)
            carry = (self.step_arguments[0], history)
            lowered = program.lower(carry, rows, order, np.int32(0), np.int32(0))
        if self._in_loop and is_cpu(self._mesh) and "stablehlo.convolution" in lowered.as_text():
            self._in_loop = False  # a convolution that is not `jaxdl.nn.convolve` is slow in a loop
            return self.lower()
        return lowered

    def run(
        self, program: jax.stages.Compiled, state: State, history: Arrays, start: int, stop: int
    ) -> Carry:
        """Runs the steps from ``start`` up to but excluding ``stop``, all of them in one epoch.

        Args:
          program: what `lower` returned, compiled.
          state: the state before the steps; it is donated.
          history: metrics of the steps of this epoch, each float32 (steps_per_epoch,), donated.
          start: number of the first step, counted from the start of the training.
          stop: number of the step after the last one.

        Returns:
          The state after the steps, and the history with their metrics in it.
        """
        order = self._order_on_devices(start // self.steps_per_epoch)
        carry = (state, history)
        calls = [(start, stop)] if self._in_loop else [(n, n + 1) for n in range(start, stop)]
        for first, last in calls:
            carry = program(carry, self._rows, order, np.int32(first), np.int32(last))
        return carry

    def close(self) -> None:
        """Frees the copy of the split on the devices."""
        self.__dict__.pop("_rows", None)

    def _run_steps(
        self, carry: Carry, rows: Arrays, order: jax.Array, start: jax.Array, stop: jax.Array
    ) -> Carry:
        """The compiled program. The arrays of the split are replicated."""
        epoch = start // self.steps_per_epoch

        def body(step: jax.Array, carry: Carry) -> Carry:
            state, history = carry
            first = step % self.steps_per_epoch * self._batch_size
            indices = lax.dynamic_slice_in_dim(order, first, self._batch_size)
            indices = lax.with_sharding_constraint(indices, batch_sharding(self._mesh))
            batch = {
                name: rows[name][indices].reshape(-1, *array.shape[1:])
                for name, array in self._split.items()
            }
            batch |= {"index": indices, "epoch": jnp.full_like(indices, epoch)}
            state, metrics = self._train_step(state, batch, jax.random.fold_in(self._key, step))
            return state, self.record(metrics, step, history)

        run = partial(lax.fori_loop, start, stop, body) if self._in_loop else partial(body, start)
        return self.constrain(run(carry))

    def record(self, metrics: Arrays, step: jax.Array, history: Arrays) -> Arrays:
        """Inside the program: writes the metrics of a step into the history of its epoch."""
        position = step % self.steps_per_epoch
        return {name: history[name].at[position].set(metrics[name]) for name in history}

    def constrain(self, carry: Carry) -> Carry:
        """Inside the program: shards the train state, and replicates the history."""
        state, history = carry
        history = lax.with_sharding_constraint(history, replicated(self._mesh))
        return constrain_state(state, self._mesh), history

    @cached_property
    def _rows(self) -> Arrays:
        return device_put(as_rows(self._split), replicated(self._mesh))

    def order_of(self, epoch: int) -> np.ndarray | jax.Array:
        """Returns the indices of the examples in the order in which an epoch sees them, int32."""
        order = epoch_order(self._seed, np.int32(epoch), self._num_examples)
        if self._lengths is None:
            return order
        random = np.random.default_rng((self._seed, epoch))
        return group_by_length(np.asarray(order), self._lengths, self._batch_size, random)

    def _order_on_devices(self, epoch: int) -> jax.Array:
        if self._order[0] != epoch:
            order = device_put(self.order_of(epoch), replicated(self._mesh))
            self._order = (epoch, order)
        return self._order[1]


@partial(jax.jit, static_argnums=(0, 2))
def epoch_order(seed: int, epoch: jax.Array, num_examples: int) -> jax.Array:
    """Shuffles the indices of the examples for an epoch, int32 (num_examples,)."""
    key = jax.random.fold_in(key_for(Purpose.ORDER, seed), epoch)
    return jax.random.permutation(key, num_examples)


def as_rows(split: Arrays) -> Arrays:
    """Flattens each example to a row, (examples, values), contiguous on every device.

    A TPU would copy a split of images before each call, and pad their channels, to have the
    examples of a batch in one piece: 780 MB instead of 160 for CIFAR-10.
    """
    return {
        name: array.reshape(len(array), -1) if array.ndim > 1 else array
        for name, array in split.items()
    }


def batch_shapes(split: Any, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and dtypes of a batch: the features of the split, "index" and "epoch"."""
    origin = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    return example_shapes(split, batch_size) | {"index": origin, "epoch": origin}


def example_shapes(split: Any, count: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and dtypes of the features of ``count`` examples of a split."""
    return {
        name: jax.ShapeDtypeStruct((count, *array.shape[1:]), array.dtype)
        for name, array in split.items()
    }


def require_whole_batch(batch_size: int, num_examples: int) -> None:
    """Raises a UsageError unless the training split fills a batch."""
    if batch_size > num_examples:
        raise UsageError(
            f"--batch-size is {batch_size:,}, but the training split has only "
            f"{num_examples:,} examples."
        )


def with_shardings(tree: Any, sharding_of: Callable[[Any], Any]) -> Any:
    """Returns shapes and dtypes of arrays, each with the sharding that ``sharding_of`` gives it."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding_of(leaf)), tree
    )
