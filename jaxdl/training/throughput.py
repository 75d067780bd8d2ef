"""How fast a training runs, and so how many of its steps go into one call."""

import math

import numpy as np

SECONDS_PER_CALL = 0.5
CALLS_TO_ESTIMATE = 4


class Throughput:
    """Measures train steps, and chooses their number in a call so that progress is shown often.

    Attributes:
      steps_per_call: number of steps in the next call, so that it takes about half a second.
    """

    def __init__(self, batch_size: int):
        """Starts with one step in a call; a step has ``batch_size`` examples."""
        self._batch_size = batch_size
        self._seconds_per_step: list[float] = []
        self.steps_per_call = 1

    def record(self, steps: int, seconds: float) -> None:
        """Records one call and chooses the length of the next."""
        self._seconds_per_step.append(seconds / steps)
        self.steps_per_call = max(1, int(SECONDS_PER_CALL * steps / seconds))

    def estimates(self) -> bool:
        """Whether the last call was the first one after which `seconds_for` can be relied on."""
        return len(self._seconds_per_step) == CALLS_TO_ESTIMATE

    def seconds_for(self, steps: int) -> float:
        """Estimates the time that a number of steps takes."""
        return steps * self._batch_size / self.examples_per_second

    @property
    def examples_per_second(self) -> float:
        """Median over the calls so far; the first, which is slow, is left out if there are more."""
        seconds = self._seconds_per_step[1:] or self._seconds_per_step
        return self._batch_size / float(np.median(seconds)) if seconds else math.nan
