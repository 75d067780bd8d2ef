"""Working on some examples of a batch at a time, as many as a CPU's cache has room for."""

import jax


def group_size(batch: int, values: int, room: int) -> int:
    """How many examples to work on at a time: the most that divide the batch and have room.

    Where several devices divide the batch it is all of it: they would not divide its groups.

    Args:
      batch: examples of the batch.
      values: that an example takes.
      room: how many values there is room for.
    """
    if jax.device_count() > 1:
        return batch
    fitting = max(1, room // values)
    return max(size for size in range(1, batch + 1) if batch % size == 0 and size <= fitting)


def into_groups(array: jax.Array, group: int) -> jax.Array:
    """From (batch, ...) to (batch / group, group, ...)."""
    return array.reshape(-1, group, *array.shape[1:])
