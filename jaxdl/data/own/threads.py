"""Threads that read and decode files, as many as cores: Pillow and OpenCV release the GIL."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Returns the results of a function, in the order of the items; raises the first error."""
    return list(_pool().map(function, items))


@cache
def _pool() -> ThreadPoolExecutor:
    if hasattr(os, "sched_getaffinity"):
        return ThreadPoolExecutor(len(os.sched_getaffinity(0)), "read")
    return ThreadPoolExecutor(os.cpu_count(), "read")
