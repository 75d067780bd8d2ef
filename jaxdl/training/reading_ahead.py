"""Reads batches in other threads, shortly before they are needed."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np

AHEAD = 2

Item, Result = TypeVar("Item"), TypeVar("Result")


def is_streamed(split: Mapping[str, Any]) -> bool:
    """Whether examples of a split stay in files until they are read."""
    return not all(isinstance(array, np.ndarray | jax.Array) for array in split.values())


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields ``read(item)`` for each item in order, while threads read the next two.

    An error is raised where its result would be yielded. Closing the iterator ends the reading.
    """
    items = iter(items)
    pool = ThreadPoolExecutor(AHEAD, "read-ahead")
    try:
        pending = deque(pool.submit(read, item) for item in itertools.islice(items, AHEAD))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(read, item) for item in itertools.islice(items, 1))
            yield result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
