"""Prediction over whole splits by one compiled program."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.console import progress
from jaxdl.training.mesh import batch_sharding, device_put, replicated

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
      mesh: the devices over which a batch is sharded, which makes it a little larger if they do
        not divide it; None for one device.

    Returns:
      ``predict(variables, split, description)``: maps arrays (examples, ...) to outputs
      (examples, ...) as numpy arrays. With a description, progress is shown.
    """
    devices = mesh.size if mesh else 1
    batch_size = math.ceil(batch_size / devices) * devices
    apply_batch = jax.jit(apply, out_shardings=replicated(mesh) if mesh else None)

    def batch_of(array: np.ndarray, start: int) -> Any:
        array = array[start : start + batch_size]
        missing = batch_size - len(array)
        array = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        return device_put(array, batch_sharding(mesh)) if mesh else array

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
