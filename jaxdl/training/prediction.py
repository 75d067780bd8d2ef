"""Prediction over whole splits by one compiled program."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.console import progress
from jaxdl.training.mesh import put_rows, replicated, rows_of_this_process
from jaxdl.training.reading_ahead import is_streamed, read_ahead

Predict = Callable[..., Any]


def make_predict(
    apply: Callable[[Any, dict[str, jax.Array]], Any],
    batch_size: int = 500,
    mesh: Mesh | None = None,
) -> Predict:
    """Compiles ``apply(variables, batch)`` for splits of any length.

    Args:
      apply: maps a batch, arrays (batch, ...), to outputs: one array or a tree of arrays, each
        (batch, ...).
      batch_size: number of examples in a call; the last batch is padded, and the padding cut off.
      mesh: the devices over which a batch is sharded; the batch size is rounded up to a multiple
        of their number. None for one device.

    Returns:
      ``predict(variables, split, description)``: maps arrays (examples, ...) to outputs
      (examples, ...) as numpy arrays. With a description, progress is shown.
    """
    devices = mesh.size if mesh else 1
    batch_size = math.ceil(batch_size / devices) * devices
    apply_batch = jax.jit(apply, out_shardings=replicated(mesh) if mesh else None)

    rows = rows_of_this_process(mesh, batch_size) if mesh else np.arange(batch_size)

    def part(array: Any, start: int) -> Any:
        wanted = start + rows
        array = array[wanted[wanted < len(array)]]
        array = np.pad(array, [(0, len(rows) - len(array))] + [(0, 0)] * (array.ndim - 1))
        return put_rows(array, batch_size, mesh) if mesh else array

    def batches(split: dict[str, Any], starts: range) -> Iterator[dict[str, Any]]:
        def read(start: int) -> dict[str, Any]:
            return {name: part(array, start) for name, array in split.items()}

        return read_ahead(read, starts) if is_streamed(split) else map(read, starts)

    def predict(variables: Any, split: dict[str, np.ndarray], description: str = "") -> Any:
        num_examples = len(next(iter(split.values())))
        outputs = []
        shows = description and num_examples
        with progress(description, num_examples) if shows else nullcontext() as show:
            starts = range(0, max(1, num_examples), batch_size)
            for start, batch in zip(starts, batches(split, starts), strict=True):
                outputs.append(apply_batch(variables, batch))
                if show:
                    jax.block_until_ready(outputs[-1])
                    show(min(start + batch_size, num_examples))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:num_examples], *outputs)

    return predict
