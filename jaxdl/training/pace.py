"""How fast a training goes, and so how much of it goes into one compiled call."""

import math
from typing import NamedTuple

import numpy as np

from jaxdl.training.processes import gather

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


class Decision(NamedTuple):
    """What all processes of a training are to do next.

    Attributes:
      steps: of the next call.
      seconds: spent in training so far.
      save: whether a checkpoint is due.
      stop: whether one of the processes was told to stop.
    """

    steps: int
    seconds: float
    save: bool
    stop: bool


def decide(pace: Pace, seconds: float, save: bool, stop: bool) -> Decision:
    """What clocks and signals tell differs: the first process decides, any may stop all."""
    votes = gather(np.array([pace.steps_per_call, seconds, save, stop], np.float32))
    steps, seconds, save, _ = votes[0]
    return Decision(int(steps), float(seconds), bool(save), bool(votes[:, 3].any()))
