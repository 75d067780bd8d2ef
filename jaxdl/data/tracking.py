"""The progress of a loop over a sequence."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from jaxdl.console import progress

Item = TypeVar("Item")


def tracked(items: Sequence[Item], description: str) -> Iterator[Item]:
    """Yields the items, and shows what share of them has been processed."""
    every = max(1, len(items) // 100)
    with progress(description, len(items)) as update:
        for index, item in enumerate(items):
            yield item
            if index % every == 0:
                update(index + 1, "")
