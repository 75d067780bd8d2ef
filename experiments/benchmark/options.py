"""What the command line of the benchmark can ask for."""

import dataclasses
import os
from pathlib import Path
from typing import Literal

from jaxdl.training.config import require

from experiments.benchmark.race import installed_peers
from experiments.benchmark.workloads import WORKLOADS
from jaxdl.errors import UsageError

CAN_PIN = hasattr(os, "sched_setaffinity")
CORES = len(os.sched_getaffinity(0)) if CAN_PIN else os.cpu_count() or 1
SWEEP = (1, 4, 16, 64, 256, 1024)
ModelName = Literal[
    "mlp",
    "cnn",
    "rnn",
    "lstm",
    "gru",
    "transformer",
    "gan",
    "resnet20",
    "resnet18",
    "vit",
]
PeerName = Literal["keras-tensorflow", "keras-jax", "torch", "torch-channels-last", "torch-compile"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to time."""

    models: tuple[ModelName, ...] = tuple(WORKLOADS)
    """Which models."""
    peers: tuple[PeerName, ...] | None = None
    """Whom to compare with; all that are installed if not given, none for nobody."""
    work: Literal["train", "predict"] = "train"
    """Train steps, or predictions of one batch."""
    batch_sizes: tuple[int, ...] | None = None
    """Examples of a step; the tutorial's if not given."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the computation."""
    rounds: int = 5
    """How often each takes its turn."""
    seconds: float = 2.0
    """About how long a turn lasts."""
    threads: int = CORES
    """How many cores each may use."""
    sweep: bool = False
    """Time batches from 1 to 1,024 and draw where each framework saturates."""
    profile: bool = False
    """Instead, trace a few of our train steps: the ten dearest operations."""
    to_accuracy: bool = False
    """Instead, time whole processes to the test accuracy of the tutorial's Keras scripts."""
    output: Path | None = None
    """The JSON file to write, with a picture beside it; one in runs/benchmark if not given."""

    def __post_init__(self) -> None:
        """Refuses values that cannot be timed."""
        require(self, "rounds", self.rounds >= 1, "at least 1")
        require(self, "seconds", self.seconds > 0, "above 0")
        lowest = 1 if CAN_PIN else CORES
        fits = lowest <= self.threads <= CORES
        require(self, "threads", fits, f"{lowest} to {CORES}, the cores of this machine")
        require(self, "models", bool(self.models), "at least one model")
        sizes = self.batch_sizes or (1,)
        require(self, "batch_sizes", min(sizes) >= 1, "at least 1")
        missing = sorted(set(self.peers or ()) - set(installed_peers()))
        if missing:
            raise UsageError(f'{missing[0]} is not installed; pip install -e ".[peers]".')

    @property
    def frameworks(self) -> list[str]:
        """Ours first, then the peers."""
        return ["ours", *(installed_peers() if self.peers is None else self.peers)]

    def sizes_of(self, model: str) -> tuple[int, ...]:
        """The batch sizes to time."""
        if self.sweep:
            return SWEEP
        return self.batch_sizes or (WORKLOADS[model].batch_size,)
