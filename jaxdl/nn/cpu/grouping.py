"""Groups of examples that are processed together, as many as a CPU's cache has room for."""

import jax


def group_size(batch: int, values: int, room: int) -> int:
    """Returns the largest number of examples that divides the batch and fits into the cache.

    With several devices it is the whole batch: groups would not be sharded.

    Args:
      batch: number of examples in the batch.
      values: number of values of an example.
      room: number of values that fit into the cache.
    """
    if jax.device_count() > 1:
        return batch
    fitting = max(1, room // values)
    return max(size for size in range(1, batch + 1) if batch % size == 0 and size <= fitting)


def into_groups(array: jax.Array, group: int) -> jax.Array:
    """Reshapes (batch, ...) to (batch / group, group, ...)."""
    return array.reshape(-1, group, *array.shape[1:])
