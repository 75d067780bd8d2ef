"""Threads that read and decode files, one per core: the decoders release the GIL."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

TASKS_PER_CORE = 4
MOST_ITEMS = 16

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Returns the results of a function, in the order of the items; raises the first error.

    Several items form a task, because starting one takes as long as decoding a tenth of a picture.
    """
    size = min(max(1, len(items) // (TASKS_PER_CORE * available_cores())), MOST_ITEMS)
    tasks = [items[start : start + size] for start in range(0, len(items), size)]

    def run(task: Sequence[Item]) -> list[Result]:
        return [function(item) for item in task]

    return [result for results in _pool().map(run, tasks) for result in results]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(available_cores(), "read")


def available_cores() -> int:
    """Counts the cores that this process may use, which are fewer than all if it is pinned."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
