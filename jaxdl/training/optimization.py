"""Options of the optimization, which every training has; experiments set their own defaults."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import optax

from jaxdl.errors import UsageError
from jaxdl.training.optimizers import (
    OptimizerName,
    ScheduleName,
    build_optimizer,
    learning_rate_schedule,
)
from jaxdl.training.precision import Precision


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimization:
    """How the parameters are trained."""

    epochs: int
    """Number of passes over the training split."""
    batch_size: int
    """Number of examples in a training step, over all devices."""
    learning_rate: float
    """Peak learning rate."""
    optimizer: OptimizerName = "adamw"
    """Optimizer that turns gradients into updates."""
    schedule: ScheduleName = "cosine"
    """Learning-rate schedule: a warm-up, and a cosine or linear decay to 0; or always the peak."""
    warmup_fraction: float = 0.2
    """Fraction of the steps in which the learning rate climbs to its peak."""
    weight_decay: float = 0.0
    """Weight decay on kernels and embeddings; adam applies none, muon to hidden kernels only."""
    gradient_clip: float = 0.0
    """Largest global norm of the gradients; 0 for no limit."""
    ema_decay: float = 0.0
    """Report a moving average of the model with this decay; 0 reports the last."""
    patience: int = 0
    """Stop after this many epochs below the best validation score; 0 never stops early."""
    precision: Precision = "float32"
    """Precision; bfloat16-products rounds only factors of products, float32-highest nothing."""

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "batch_size")
        for name in ("patience", "weight_decay", "gradient_clip"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "learning_rate", 0 < self.learning_rate < math.inf, "above 0 and finite")
        require_fractions(self, "warmup_fraction", "ema_decay")

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        unused = {}
        if self.optimizer == "adam":
            unused["weight_decay"] = "--optimizer adam"
        if self.schedule == "constant":
            unused["warmup_fraction"] = "--schedule constant"
        return unused


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierOptimization(Optimization):
    """How the parameters are trained."""

    label_smoothing: float = 0.0
    """Fraction of each label that is spread over all classes."""
    micro_batches: int = 1
    """Compute the gradients of a batch in this number of parts, to save memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_fractions(self, "label_smoothing")
        divides = self.micro_batches >= 1 and self.batch_size % self.micro_batches == 0
        require(self, "micro_batches", divides, f"a divisor of --batch-size, {self.batch_size}")


def configure_optimizer(
    options: Optimization, steps_per_epoch: int, b1: float = 0.9
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """Builds the optimizer that the options name, and its learning-rate schedule.

    Args:
      options: options of the training.
      steps_per_epoch: number of steps in a pass over the training split.
      b1: decay of Adam's average of past gradients.
    """
    schedule = learning_rate_schedule(
        options.schedule,
        options.learning_rate,
        total_steps=options.epochs * steps_per_epoch,
        warmup_fraction=options.warmup_fraction,
    )
    optimizer = build_optimizer(
        options.optimizer, schedule, options.weight_decay, options.gradient_clip, b1
    )
    return optimizer, schedule


def option_name(name: str) -> str:
    """Formats the name of an option as on the command line."""
    return "--" + name.rstrip("_").replace("_", "-")


def require(options: object, name: str, holds: bool, what: str) -> None:
    """Raises a UsageError that names the option unless the condition holds."""
    if not holds:
        value = getattr(options, name)
        raise UsageError(f"{option_name(name)} is {value}, but must be {what}.")


def refuse_changed(options: object, names: Iterable[str], reason: str) -> None:
    """Raises a UsageError with a reason if one of the options is not its default."""
    for name in names:
        if getattr(options, name) != getattr(type(options), name):
            raise UsageError(f"{option_name(name)} {reason}.")


def require_positive(options: object, *names: str) -> None:
    """Raises a UsageError unless each of the options is at least 1."""
    for name in names:
        require(options, name, getattr(options, name) >= 1, "at least 1")


def require_fractions(options: object, *names: str) -> None:
    """Raises a UsageError unless each of the options is in [0, 1)."""
    for name in names:
        require(options, name, 0 <= getattr(options, name) < 1, "at least 0 and below 1")


def require_heads(options: Any) -> None:
    """Raises a UsageError unless the number of a Transformer's heads divides its width.

    The width of a head must also be even, unless the positions are learned.
    """
    width, heads = options.embed_dim, options.num_heads
    divides = heads >= 1 and width % heads == 0
    require(options, "num_heads", divides, f"a divisor of --embed-dim, {width}")
    even = options.positions == "learned" or width // heads % 2 == 0
    require(options, "positions", even, "learned unless --embed-dim / --num-heads is even")
