"""Tells whether something else used the machine during a turn, and repeats turns that it disturbed.

Under contention the threads of some frameworks wait for each other in loops, and fall to a tenth of
their speed, while others lose a half: the ratio between them then says nothing.
"""

import math
from collections.abc import Callable
from typing import Any

Turn = dict[str, Any]

TOLERANCE = 0.1
TRIES = 5
FIRST_PRODUCTS = 20


class Yardstick:
    """Times a matrix product before and after each turn.

    Attributes:
      fastest: seconds of the fastest product so far, that of an undisturbed machine.
      peak_flops: FLOP/s of that product.
    """

    def __init__(self, time_product: Callable[[], float], flops: float):
        """Times the first products.

        Args:
          time_product: returns the seconds of a product, averaged over a fraction of a second.
          flops: FLOPs of a product.
        """
        self._time_product = time_product
        self._flops = flops
        self.fastest = math.inf
        for _ in range(FIRST_PRODUCTS):
            self._measure()

    @property
    def peak_flops(self) -> float:
        """See the class."""
        return self._flops / self.fastest

    def repeat(self, take_turn: Callable[[], Turn]) -> list[Turn]:
        """Takes a turn until it is steady, a few times at most.

        Returns:
          All turns, of which only the last may be steady, each with "product_seconds", those of
          the slower one of the products before and after it.
        """
        turns: list[Turn] = []
        before = self._measure()
        while len(turns) < TRIES and not self.is_steady(turns):
            result = take_turn()
            after = self._measure()
            turns.append(result | {"product_seconds": max(before, after)})
            before = after
        return turns

    def is_steady(self, turns: list[Turn]) -> bool:
        """Whether the last turn was at most a tenth slower than on an undisturbed machine.

        This can change when a faster product shows that the machine was disturbed before.
        """
        limit = (1 + TOLERANCE) * self.fastest
        return bool(turns) and turns[-1]["product_seconds"] <= limit

    def describe(self) -> dict[str, float]:
        """Describes how turns were judged, for the result file."""
        return {"tolerance": TOLERANCE, "tries": TRIES, "fastest_product_seconds": self.fastest}

    def _measure(self) -> float:
        seconds = self._time_product()
        self.fastest = min(self.fastest, seconds)
        return seconds
