"""Tells whether something else used the machine during a turn, and repeats turns that it disturbed.

Under contention the threads of some frameworks wait for each other in loops, and fall to a tenth of
their speed, while others lose a half: the ratio between them then says nothing. A machine whose
speed drifts, as that of a virtual one does, slows all of them alike and leaves the ratio.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

Turn = dict[str, Any]

TOLERANCE = 0.1
CONTENTION = 1.5
RECENT = 20
TRIES = 5


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
        self._recent: deque[float] = deque(maxlen=RECENT)
        for _ in range(RECENT):
            self._measure()

    @property
    def peak_flops(self) -> float:
        """See the class."""
        return self._flops / self.fastest

    def repeat(self, take_turn: Callable[[], Turn]) -> list[Turn]:
        """Takes a turn until it is steady, a few times at most.

        A turn is steady if the products before and after it are at most a tenth slower than the
        median of the recent ones and less than one and a half times as slow as the fastest one.

        Returns:
          All turns, of which only the last may be "steady", each with "product_seconds", those of
          the slower one of its two products.
        """
        turns: list[Turn] = []
        before = self._measure()
        while len(turns) < TRIES and not is_steady(turns):
            usual = float(np.median(self._recent))
            result = take_turn()
            after = self._measure()
            slower = max(before, after)
            steady = slower <= (1 + TOLERANCE) * usual and slower < CONTENTION * self.fastest
            turns.append(result | {"product_seconds": slower, "steady": steady})
            before = after
        return turns

    def describe(self) -> dict[str, float]:
        """Describes how turns were judged, for the result file."""
        return {
            "tolerance": TOLERANCE,
            "contention": CONTENTION,
            "tries": TRIES,
            "fastest_product_seconds": self.fastest,
        }

    def _measure(self) -> float:
        seconds = self._time_product()
        self.fastest = min(self.fastest, seconds)
        self._recent.append(seconds)
        return seconds


def is_steady(turns: list[Turn]) -> bool:
    """Whether the last of the turns that `Yardstick.repeat` returns is steady."""
    return bool(turns) and turns[-1]["steady"]
