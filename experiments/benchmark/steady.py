"""Tells whether something else used the machine during a turn, and repeats turns that it disturbed.

On a virtual machine the disturbance is often outside, and lasts for minutes: then a turn waits.
Under contention the threads of some frameworks wait for each other in loops, and fall to a tenth of
their speed, while others lose half of it: the ratio between them then says nothing.
"""

import math
import time
from collections.abc import Callable
from typing import Any

Turn = dict[str, Any]

TOLERANCE = 0.1
TRIES = 4
PATIENCE, SECONDS_BETWEEN_PRODUCTS = 30.0, 1.0
"""Seconds for which a turn may wait, in addition to those that earlier turns left unused."""
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
        self._patience = 0.0
        for _ in range(FIRST_PRODUCTS):
            self._measure()

    @property
    def peak_flops(self) -> float:
        """See the class."""
        return self._flops / self.fastest

    def repeat(self, take_turn: Callable[[], Turn]) -> list[Turn]:
        """Waits until the machine is quiet and takes a turn, again and again if it is disturbed.

        Returns:
          All turns, of which only the last may be steady, each with "product_seconds", those of
          the slower one of the products before and after it.
        """
        turns: list[Turn] = []
        self._patience += PATIENCE
        while len(turns) < TRIES and not self.is_steady(turns):
            before = self._wait_until_quiet()
            result = take_turn()
            turns.append(result | {"product_seconds": max(before, self._measure())})
        return turns

    def is_steady(self, turns: list[Turn]) -> bool:
        """Whether the last turn was at most a tenth slower than on an undisturbed machine.

        This can change when a faster product shows that the machine was disturbed before.
        """
        return bool(turns) and self._is_quiet(turns[-1]["product_seconds"])

    def describe(self) -> dict[str, float]:
        """Describes how turns were judged, for the result file."""
        return {"tolerance": TOLERANCE, "tries": TRIES, "fastest_product_seconds": self.fastest}

    def _wait_until_quiet(self) -> float:
        """Times products until one is fast or patience ends; returns the seconds of the last."""
        while not self._is_quiet(seconds := self._measure()) and self._patience > 0:
            started = time.monotonic()
            time.sleep(SECONDS_BETWEEN_PRODUCTS)
            self._patience -= time.monotonic() - started
        return seconds

    def _is_quiet(self, product_seconds: float) -> bool:
        return product_seconds <= (1 + TOLERANCE) * self.fastest

    def _measure(self) -> float:
        seconds = self._time_product()
        self.fastest = min(self.fastest, seconds)
        return seconds
