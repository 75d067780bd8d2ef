"""The train steps of an epoch on examples that stay in files until they are needed."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.nn.cpu.loops import tracing_steps
from jaxdl.training.epoch import Arrays, Carry, CompiledEpoch, State, batch_shapes, with_shardings
from jaxdl.training.mesh import batch_sharding, put_rows, replicated, rows_of_this_process
from jaxdl.training.reading_ahead import read_ahead


class StreamedEpoch(CompiledEpoch):
    """Runs the same steps on the same batches as `CompiledEpoch`, with one call for each step.

    While the devices compute a step, threads read the next batches and put them on the devices.
    Where several processes train together, each reads its part of a batch.
    """

    _next_step = -1
    _batches: Iterator[Arrays] | None = None

    def lower(self) -> jax.stages.Lowered:
        """See `CompiledEpoch.lower`."""
        history = with_shardings(self.empty_history(), lambda _: replicated(self._mesh))
        sharding = batch_sharding(self._mesh)
        batch = with_shardings(batch_shapes(self._split, self._batch_size), lambda _: sharding)
        with tracing_steps(False):
            program = jax.jit(self._run_step, donate_argnums=0)
            return program.lower((self.step_arguments[0], history), batch, np.int32(0))

    def run(
        self, program: jax.stages.Compiled, state: State, history: Arrays, start: int, stop: int
    ) -> Carry:
        """See `CompiledEpoch.run`."""
        epoch, first = divmod(start, self.steps_per_epoch)
        if start != self._next_step or first == 0:
            self.close()
            order = np.asarray(self.order_of(epoch))
            self._batches = read_batches(
                self._split, order, epoch, self._batch_size, self._mesh, first
            )
        carry = (state, history)
        for step in range(start, stop):
            carry = program(carry, next(self._batches), np.int32(step))
        self._next_step = stop
        return carry

    def close(self) -> None:
        """Ends the reading."""
        if self._batches:
            self._batches.close()

    def _run_step(self, carry: Carry, batch: Arrays, step: jax.Array) -> Carry:
        """The compiled program."""
        state, history = carry
        state, metrics = self._train_step(state, batch, jax.random.fold_in(self._key, step))
        return self.constrain((state, self.record(metrics, step, history)))


def read_batches(
    split: Mapping[str, Any],
    order: np.ndarray,
    epoch: int,
    batch_size: int,
    mesh: Mesh,
    first: int = 0,
) -> Iterator[Arrays]:
    """Yields the complete batches of an epoch, on the devices; threads read the next two meanwhile.

    Args:
      split: arrays (examples, ...), or array-like objects that read examples when indexed.
      order: indices of the examples in the order of the epoch, int32.
      epoch: its number, on which random crops depend.
      batch_size: number of examples in a batch, of which each process reads its part.
      mesh: the devices over which a batch is sharded.
      first: index of the batch to start with.
    """
    mine = rows_of_this_process(mesh, batch_size)

    def read(position: int) -> Arrays:
        rows = order[position * batch_size + mine]
        batch = {name: _read_rows(array, rows, epoch) for name, array in split.items()}
        batch |= {"index": rows, "epoch": np.full(len(rows), epoch, np.int32)}
        return {name: put_rows(array, batch_size, mesh) for name, array in batch.items()}

    return read_ahead(read, range(first, len(order) // batch_size))


def _read_rows(array: Any, rows: np.ndarray, epoch: int) -> np.ndarray:
    """Reads examples of an array in memory, or from files as an epoch of training needs them."""
    if hasattr(array, "for_training"):
        return array.for_training(rows, epoch)
    return array[rows]
