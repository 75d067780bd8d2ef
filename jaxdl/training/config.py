"""The options that every training has, and the optimizer that they name."""

import dataclasses
import re
from pathlib import Path
from typing import ClassVar, Literal

import jax.numpy as jnp
import optax
from jax.typing import DTypeLike

from jaxdl.data import DEFAULT_DATA_DIR
from jaxdl.errors import UsageError
from jaxdl.training.mesh import parse_layout
from jaxdl.training.optimizers import (
    OptimizerName,
    ScheduleName,
    build_optimizer,
    learning_rate_schedule,
)

FRACTIONS = (
    "warmup_fraction",
    "label_smoothing",
    "dropout_rate",
    "ema_decay",
    "validation_fraction",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Options of a training; each experiment adds its own and sets its own defaults."""

    LEAST_EPOCHS: ClassVar[int] = 1

    preset: Literal["default", "seed", "quick"] = "default"
    """Options not given are the best known, the tutorial's, or the soonest as good as those."""
    resume: Path | None = None
    """Go on with the run in this directory, with its options."""

    epochs: int
    """Passes over the training split."""
    batch_size: int
    """Examples of a training step."""
    learning_rate: float
    """Peak learning rate."""
    optimizer: OptimizerName = "adamw"
    """How gradients become updates."""
    schedule: ScheduleName = "cosine"
    """The learning rate over the steps: warm-up and cosine to zero, or constant."""
    warmup_fraction: float = 0.2
    """Share of the steps in which the cosine schedule climbs to its peak."""
    weight_decay: float = 0.0
    """Of all optimizers but adam, on kernels only; of muon on hidden ones only."""
    gradient_clip: float = 0.0
    """Largest global norm of the gradients; 0 for no limit."""
    label_smoothing: float = 0.0
    """Share of the label that is spread over all classes."""
    dropout_rate: float
    """Probability that a unit is dropped in training."""
    ema_decay: float = 0.0
    """Report a moving average of the parameters with this decay; 0 for the last ones."""
    patience: int = 0
    """Stop when the validation accuracy stays below its best for so many epochs; 0 for never."""
    validation_fraction: float = 0.2
    """Share of the training split, from its end, on which the best epoch is chosen."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the computation; parameters are always float32."""

    seed: int = 0
    """Of initial parameters, order, dropout and augmentation."""
    seeds: int = 1
    """Train so many runs, with seeds from --seed on, and report mean and deviation."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Where data sets are kept."""
    runs_dir: Path = Path("runs")
    """Where the directory of the run is made."""
    mesh: str = ""
    """Devices along each axis, like data=4,fsdp=2; if not given, all divide the batch only."""
    coordinator: str = ""
    """Several processes: host:port of the first; auto on TPU hosts; SLURM's srun needs none."""
    process_id: int = 0
    """Several processes: which of them this is."""
    process_count: int = 1
    """Several processes: how many there are."""

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        least = self.LEAST_EPOCHS
        require(self, "epochs", self.epochs >= least, f"at least {least}")
        for name in ("batch_size", "seeds"):
            require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("patience", "weight_decay", "gradient_clip", "seed"):
            require(self, name, getattr(self, name) >= 0, "at least 0")
        require(self, "learning_rate", self.learning_rate > 0, "above 0")
        for name in FRACTIONS:
            require(self, name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        selects = self.patience == 0 or self.validation_fraction > 0
        require(self, "patience", selects, "0 without a validation split")
        if self.mesh:
            parse_layout(self.mesh)
        require(self, "process_count", self.process_count >= 1, "at least 1")
        within = 0 <= self.process_id < self.process_count
        require(self, "process_id", within, f"below --process-count, {self.process_count}")
        if self.process_count > 1 and not self.coordinator:
            raise UsageError("--process-count above 1 needs --coordinator, host:port of the first.")
        known = re.fullmatch(r"|auto|.+:\d+", self.coordinator) is not None
        require(self, "coordinator", known, "host:port of the first process, or auto")

    @property
    def dtype(self) -> DTypeLike:
        """Of the computation."""
        return jnp.dtype(self.precision)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassifierConfig(TrainingConfig):
    """Options of a classifier."""

    micro_batches: int = 1
    """Compute a batch in so many parts, one after the other, to save memory."""

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        divides = self.micro_batches >= 1 and self.batch_size % self.micro_batches == 0
        require(self, "micro_batches", divides, f"a divisor of --batch-size, {self.batch_size}")


def configure_optimizer(
    config: TrainingConfig, steps_per_epoch: int, b1: float = 0.9
) -> tuple[optax.GradientTransformation, optax.Schedule]:
    """The optimizer that the options name, and its learning rate by step.

    Args:
      config: the options.
      steps_per_epoch: of one pass over the training split.
      b1: of Adam.
    """
    schedule = learning_rate_schedule(
        config.schedule,
        config.learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        warmup_fraction=config.warmup_fraction,
    )
    optimizer = build_optimizer(
        config.optimizer, schedule, config.weight_decay, config.gradient_clip, b1
    )
    return optimizer, schedule


def require(config: object, name: str, holds: bool, what: str) -> None:
    """Raises a UsageError that names the option unless the condition holds."""
    if not holds:
        option = "--" + name.replace("_", "-")
        raise UsageError(f"{option} is {getattr(config, name)}, but must be {what}.")
