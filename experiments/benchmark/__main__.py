"""How fast JAX is here: the models of this project against Keras and PyTorch, side by side.

    python -m experiments.benchmark
    python -m experiments.benchmark --models mlp cnn --peers torch --rounds 9
    python -m experiments.benchmark --work predict --batch-sizes 1 32
    python -m experiments.benchmark --models resnet20 --sweep
    python -m experiments.benchmark --models gan --profile

Peers are what is installed of Keras 3 on TensorFlow, Keras 3 on JAX, PyTorch and its compiler
(``pip install -e ".[peers]"``). All train the same layers, checked by their number of
parameters, with the same optimizer on the same random data in memory, in processes of their own
that take turns. Reported are medians over the rounds and their spread. The default takes
about a quarter of an hour on two CPU cores.
"""

import dataclasses
import importlib.metadata
import os
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.benchmark import charts
from experiments.benchmark.profile import profile
from experiments.benchmark.race import (
    Record,
    installed_peers,
    race,
    start_workers,
    summarise,
)
from experiments.benchmark.workloads import WORKLOADS
from jaxdl.console import console, progress
from jaxdl.errors import UsageError
from jaxdl.runs.command_line import parse_dataclass, run_command
from jaxdl.runs.environment import describe_environment
from jaxdl.runs.run import write_json
from jaxdl.training.config import require

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
    threads: int = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    """How many cores each may use."""
    sweep: bool = False
    """Time batches from 1 to 1,024 and draw where each framework saturates."""
    profile: bool = False
    """Instead, trace a few of our train steps: the ten dearest operations."""
    output: Path | None = None
    """The JSON file to write, with a picture beside it; one in runs/benchmark if not given."""

    def __post_init__(self) -> None:
        """Refuses values that cannot be timed."""
        require(self, "rounds", self.rounds >= 1, "at least 1")
        require(self, "seconds", self.seconds > 0, "above 0")
        require(self, "threads", self.threads >= 1, "at least 1")
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


def measure(options: Options) -> Record:
    """Times everything that the options ask for and prints it as it comes.

    Returns:
      What the JSON file holds: "environment", "versions", "peak_flops", FLOP/s of a matrix
      product, and "results", a list of what `summarise` gives.
    """
    cases = [(model, size) for model in options.models for size in options.sizes_of(model)]
    results = []
    with progress("benchmark", len(cases) + 1) as update:

        def time_case(done: int, frameworks: list[str], model: str, size: int) -> list[Record]:
            def show(note: str) -> None:
                update(done, f"{model}: {note}")

            request = {"model": model, "batch_size": size, "precision": options.precision}
            with start_workers(frameworks, options.threads, show, **request) as workers:
                work = "train" if frameworks == ["matrix-product"] else options.work
                return race(workers, work, options.rounds, options.seconds, show)

        (product,) = time_case(0, ["matrix-product"], "mlp", 1)
        peak_flops = product["flops_per_example"] / float(np.median(product["seconds_each"]))
        console.print(f"A matrix product: {peak_flops / 1e9:,.0f} GFLOP/s.")
        console.print(HEADER, style="bold")
        for number, (model, size) in enumerate(cases, start=1):
            records = time_case(number, options.frameworks, model, size)
            if options.work == "predict":  # a third of what a train step does, about
                records = [r | {"flops_per_example": None} for r in records]
            for result in summarise(records, size, peak_flops):
                results.append({"model": model, "work": options.work} | result)
                console.print(format_result(results[-1]))
    return {
        "environment": describe_environment() | {"threads": options.threads},
        "versions": versions(),
        "precision": options.precision,
        "rounds": options.rounds,
        "peak_flops": peak_flops,
        "results": results,
        "geometric_mean": geometric_mean(results),
    }


HEADER = (
    f"{'model':<12}{'framework':<18}{'batch':>6}{'examples/s':>13}{'ms':>10}{'first step':>12}"
    f"{'memory':>9}{'of peak':>9}  ours is faster by"
)


def format_result(result: Record) -> str:
    """One line of the table."""
    share, ratio = result["share_of_peak"], result["ours_is_faster_by"]
    spread = f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"
    return (
        f"{result['model']:<12}{result['framework']:<18}{result['batch_size']:>6}"
        f"{result['examples_per_second']:>13,.0f}{result['milliseconds']:>10.3f}"
        f"{result['first_step_seconds']:>10.1f} s{result['peak_memory'] / 2**30:>6.2f} GB"
        f"{'' if share is None else f'{share:.0%}':>9}"
        f"{'' if result['framework'] == 'ours' else '  ' + spread}"
    )


def geometric_mean(results: list[Record]) -> float | None:
    """Of the ratios of ours to the best peer of each model; None without peers."""
    best: dict[Any, float] = {}
    for result in results:
        if result["framework"] != "ours":
            case = (result["model"], result["batch_size"])
            ratio = result["ours_is_faster_by"]["median"]
            best[case] = min(ratio, best.get(case, ratio))
    return float(np.exp(np.mean(np.log(list(best.values()))))) if best else None


def versions() -> dict[str, str]:
    """Of every framework that is installed."""
    names = ("jax", "jaxlib", "flax", "keras", "tensorflow", "tensorflow-cpu", "torch")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Reads the command line, times, writes and draws."""
    options = parse_dataclass(Options, "experiments.benchmark", description=__doc__)
    if options.profile:
        for model in options.models:
            profile(model, options.sizes_of(model)[0], options.precision)
        return
    default = Path("runs/benchmark") / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    output = options.output or default
    output.parent.mkdir(parents=True, exist_ok=True)
    report = measure(options)
    write_json(output, report)
    draw = charts.compare_batch_sizes if options.sweep else charts.compare_models
    draw(report["results"], output.with_suffix(".png"))
    if report["geometric_mean"]:
        console.print(
            f"Against the best peer of each model: {report['geometric_mean']:.2f} times as fast, "
            "geometric mean."
        )
    console.print(str(output))


if __name__ == "__main__":
    run_command(main)
