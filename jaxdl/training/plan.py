"""What a training is asked to do, and what it returns."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxdl.training.epoch import require_whole_batch
from jaxdl.training.mesh import make_mesh, require_equal_shards
from jaxdl.training.metrics_log import Record
from jaxdl.training.optimization import Optimization, require
from jaxdl.training.precision import require_precision


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and how to evaluate.

    Attributes:
      epochs: number of passes over the training split.
      batch_size: number of examples in a step.
      seed: determines the order of the examples and the random keys of the steps.
      evaluate: ``evaluate(variables)`` returns metrics on the validation split, {} without one.
      criterion: ``criterion(metrics)`` rates the metrics of ``evaluate``: the model of the epoch
        with the highest value is reported, of several equal epochs that of the last. Without
        metrics all epochs are equal.
      patience: number of epochs below the highest criterion after which training stops; 0 never
        stops early.
      after_epoch: ``after_epoch(epoch, variables, validation)`` is called with the number of the
        epoch, from 1, its model, and the metrics on the validation split.
      learning_rate: learning-rate schedule, for the log; None to leave it out.
      lengths: see `jaxdl.training.epoch.CompiledEpoch`.
      mesh: the devices over which batches and state are sharded.
    """

    epochs: int
    batch_size: int
    seed: int = 0
    evaluate: Callable[[Any], dict[str, float]] = lambda variables: {}
    criterion: Callable[[dict[str, float]], float] = lambda metrics: metrics["accuracy"]
    patience: int = 0
    after_epoch: Callable[[int, Any, dict[str, float]], None] = lambda *_: None
    learning_rate: Callable[[int], Any] | None = None
    lengths: np.ndarray | None = None
    mesh: Mesh = dataclasses.field(default_factory=make_mesh)


def require_trainable(
    options: Optimization, num_train: int, num_validation: int, mesh: Mesh
) -> None:
    """Refuses options that cannot be used to train on splits of these sizes.

    Raises:
      UsageError: the batch is larger than the training split, or cannot be sharded evenly; or
        there is no validation split for early stopping; or the devices lack the precision.
    """
    require_precision(options.precision, mesh.devices.flat[0])
    selects = options.patience == 0 or num_validation > 0
    require(options, "patience", selects, "0 without a validation split")
    require_whole_batch(options.batch_size, num_train)
    require_equal_shards(options.batch_size, mesh)


@dataclasses.dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
      variables: variables of the model of the best epoch.
      history: the records of `jaxdl.training.metrics_log.MetricsLog`.
      best_epoch: number of that epoch, from 1.
      epochs: number of epochs trained; fewer than planned after early stopping.
      steps: number of updates.
      steps_before: number of updates in earlier sessions, from which this one resumed.
      seconds_before: time spent in training in earlier sessions.
      seconds_compile: time until the train steps were compiled or found in the cache.
      examples_per_second: throughput of the train steps, median over the calls of the last session.
    """

    variables: Any
    history: list[Record] = dataclasses.field(default_factory=list)
    best_epoch: int = 0
    epochs: int = 0
    steps: int = 0
    steps_before: int = 0
    seconds_before: float = 0.0
    seconds_compile: float = 0.0
    examples_per_second: float = 0.0

    @property
    def epoch_history(self) -> list[Record]:
        """The records of whole epochs."""
        return [record for record in self.history if "epoch" in record]
