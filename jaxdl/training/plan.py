"""What a training is asked to do, and what it gives."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxdl.training.mesh import make_mesh


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, in what portions, and how to judge it.

    Attributes:
      batch_size: examples of a step.
      steps_per_epoch: of one pass over the training split.
      epochs: passes over it.
      seed: of order, dropout and augmentation.
      learning_rate: by step, for the log.
      evaluate: ``evaluate(variables)``, metrics on the validation split; {} if there is none.
      score: of these metrics; the epoch with the highest is the one reported.
      mesh: over whose devices examples and state are laid out.
      patience: epochs without a better score after which training stops; 0 for never.
      after_epoch: ``after_epoch(epoch, variables, validation)``: what else there is to do,
        with the metrics on the validation split; done again if a resumed run comes past it.
      looped: whether many steps go into one compiled call; see `make_train_steps`.
      lengths: int (examples,), of the training examples: those of a batch are then of about
        the same length; None for batches of any examples.
    """

    batch_size: int
    steps_per_epoch: int
    epochs: int
    seed: int
    learning_rate: Callable[[int], Any]
    evaluate: Callable[[Any], dict[str, float]]
    score: Callable[[dict[str, float]], float]
    mesh: Mesh = dataclasses.field(default_factory=make_mesh)
    patience: int = 0
    after_epoch: Callable[[int, Any, dict[str, float]], None] = lambda *_: None
    looped: bool = True
    lengths: np.ndarray | None = None

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training gives.

    Attributes:
      variables: the model of the best epoch.
      best_epoch: counted from 1.
      epochs: trained; fewer than planned if stopped early.
      steps: updates of the parameters.
      seconds_before: of training in earlier sessions of the run.
      seconds_compile: until the train steps were compiled or found in the cache.
      examples_per_second: of the train steps, median over the calls of the last session.
    """

    variables: Any
    best_epoch: int
    epochs: int
    steps: int
    seconds_before: float
    seconds_compile: float
    examples_per_second: float
