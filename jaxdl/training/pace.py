"""How fast a training goes, and so how much of it goes into one compiled call."""

import math

import numpy as np

SECONDS_PER_CALL = 0.5
CALLS_TO_FORESEE = 4


class Pace:
    """How many steps go into one compiled call, so that the live line moves twice a second."""

    def __init__(self, batch_size: int, looped: bool = True):
        """Of steps of so many examples; not ``looped``, there is one in each call."""
        self._batch_size = batch_size
        self._looped = looped
        self._seconds_per_step: list[float] = []
        self.steps_per_call = 1

    def record(self, steps: int, seconds: float) -> None:
        """Takes note of one call and chooses the length of the next."""
        self._seconds_per_step.append(seconds / steps)
        if self._looped:
            self.steps_per_call = max(1, int(SECONDS_PER_CALL * steps / seconds))

    def foresees(self) -> bool:
        """Whether, with this last call, enough have been timed to say how long a training takes."""
        return len(self._seconds_per_step) == CALLS_TO_FORESEE

    def seconds_for(self, steps: int) -> float:
        """How long so many steps will take, from the calls so far."""
        return steps * self._batch_size / self.examples_per_second

    @property
    def examples_per_second(self) -> float:
        """Median over the calls so far; the first, still cold, counts only while alone."""
        seconds = self._seconds_per_step[1:] or self._seconds_per_step
        return self._batch_size / float(np.median(seconds)) if seconds else math.nan
