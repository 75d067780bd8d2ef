"""Defines the command-line options of the benchmark."""

import dataclasses
import os
from pathlib import Path
from typing import Literal

from experiments.benchmark.contestants import PEERS, PICTURES, PIPELINE_PEERS
from experiments.benchmark.jpeg_files import COUNT
from experiments.benchmark.processes import installed_peers
from experiments.benchmark.workloads import WORKLOADS, Precision, workload_of
from jaxdl.data.own.threads import available_cores
from jaxdl.errors import UsageError
from jaxdl.training.optimization import option_name, refuse_changed, require, require_positive

CAN_PIN = hasattr(os, "sched_setaffinity")
CORES = available_cores()
SWEEP = (1, 4, 16, 64, 256, 1024)
IGNORED_BY = {
    "sweep": ("batch_sizes",),
    "profile": ("peers", "work", "rounds", "seconds", "threads", "output"),
    "to_accuracy": ("peers", "work", "batch_sizes", "precision", "seconds", "threads"),
}
"""Options that change what is timed, and the options that then have no effect."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Says what to time, and how."""

    models: tuple[Literal[*WORKLOADS], ...] = tuple(WORKLOADS)
    """Models to time."""
    peers: tuple[Literal[*PEERS, *PIPELINE_PEERS], ...] | None = None
    """Contestants to compare with: by default all installed ones; none after a bare --peers."""
    work: Literal["train", "predict", "input"] = "train"
    """Time train steps, or predictions of one batch, or reading and cropping batches of JPEGs."""
    batch_sizes: tuple[int, ...] | None = None
    """Numbers of examples per step; by default one that is usual for the model."""
    precision: Precision = "float32"
    """Precision of the computation."""
    rounds: int = 5
    """Number of turns of each contestant; with --to-accuracy, of warm runs."""
    seconds: float = 5.0
    """Approximate length of a turn."""
    threads: int = CORES
    """Number of cores that each framework may use."""
    sweep: bool = False
    """Time batch sizes from 1 to 1,024 and draw where each framework's throughput saturates."""
    profile: bool = False
    """Instead, trace a few of our train steps and print the ten most expensive operations."""
    to_accuracy: bool = False
    """Instead, time whole processes to the test accuracy of the tutorial's Keras scripts."""
    output: Path | None = None
    """JSON file to write, with a chart beside it; by default a new one in runs/benchmark."""

    def __post_init__(self) -> None:
        """Rejects values that cannot be timed."""
        require_positive(self, "rounds")
        require(self, "seconds", self.seconds > 0, "above 0")
        lowest = 1 if CAN_PIN else CORES
        fits = lowest <= self.threads <= CORES
        require(self, "threads", fits, f"{lowest} to {CORES}, the cores of this machine")
        require(self, "models", bool(self.models), "at least one model")
        modes = [name for name in IGNORED_BY if getattr(self, name)]
        if len(modes) > 1:
            raise UsageError(f"Give only one of {', '.join(map(option_name, modes))}.")
        if modes:
            reason = f"has no effect with {option_name(modes[0])}: leave one of them out"
            refuse_changed(self, IGNORED_BY[modes[0]], reason)
        sizes = self.batch_sizes or (1,)
        require(self, "batch_sizes", min(sizes) >= 1, "at least 1")
        named = self.output is None or self.output.suffix != ".png"
        require(self, "output", named, "a file that does not end in .png, as the chart does")
        if self.reads_only:
            fits = max(sizes) <= COUNT
            require(self, "batch_sizes", fits, f"at most {COUNT:,}, the number of pictures")
            refuse_changed(self, ("models", "precision"), "has no effect with --work input")
        others = sorted(set(self.peers or ()) - set(PIPELINE_PEERS if self.reads_only else PEERS))
        if others:
            raise UsageError(f"{others[0]} is no contestant with --work {self.work}.")
        missing = sorted(set(self.peers or ()) - set(self._installed))
        if missing:
            raise UsageError(f'{missing[0]} is not installed: pip install -e ".[peers]".')

    @property
    def reads_only(self) -> bool:
        """Whether input pipelines are timed instead of models."""
        return self.work == "input"

    @property
    def _installed(self) -> list[str]:
        return installed_peers(PICTURES if self.reads_only else self.models[0])

    @property
    def frameworks(self) -> list[str]:
        """All contestants: ours first, then the peers."""
        return ["ours", *(self._installed if self.peers is None else self.peers)]

    @property
    def cases(self) -> list[tuple[str, int]]:
        """All pairs of the name of a model and a batch size."""
        models = [PICTURES] if self.reads_only else self.models
        sizes = SWEEP if self.sweep else self.batch_sizes
        return [(m, size) for m in models for size in sizes or (workload_of(m).batch_size,)]
