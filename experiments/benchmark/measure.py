"""Times all cases of a benchmark, one after the other, and prints the table."""

import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark.options import Options
from experiments.benchmark.race import Record, race, start_workers, summarise
from jaxdl.console import console, note, progress
from jaxdl.runs.environment import describe_environment

Show = Callable[[str], None]

HEADER = (
    f"{'model':<12}{'framework':<18}{'batch':>6}{'examples/s':>13}{'ms':>10}{'first step':>12}"
    f"{'memory':>9}{'of peak':>9}  speed of ours / peer"
)


def format_result(result: Record) -> str:
    """Formats one line of the table."""
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
    """Returns the mean speed of ours relative to the best peer of each case; None without peers."""
    best: dict[Any, float] = {}
    for result in results:
        if result["framework"] != "ours":
            case = (result["model"], result["batch_size"])
            ratio = result["ours_is_faster_by"]["median"]
            best[case] = min(ratio, best.get(case, ratio))
    return float(np.exp(np.mean(np.log(list(best.values()))))) if best else None


def versions() -> dict[str, str]:
    """Returns the versions of all frameworks that are installed."""
    names = ("jax", "jaxlib", "flax", "keras", "tensorflow", "tensorflow-cpu", "torch")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def measure(options: Options, save: Callable[[Record], None]) -> Record:
    """Times everything that the options ask for and prints each result immediately.

    Args:
      options: options of the command line.
      save: called with the report after each case, so that an interruption loses nothing.

    Returns:
      The content of the JSON file: "environment", "versions", "precision", "rounds",
      "peak_flops" (FLOP/s of a matrix product), "results" (those of `summarise` for all cases)
      and "geometric_mean" (of the speed of ours relative to the best peer of each case).
    """
    cases = [(model, size) for model in options.models for size in options.sizes_of(model)]
    report = {
        "environment": describe_environment() | {"threads": options.threads},
        "versions": versions(),
        "precision": options.precision,
        "rounds": options.rounds,
        "results": [],
    }
    with progress("benchmark", len(cases) + 1) as update:
        peak_flops = measure_peak(options, lambda words: update(0, words))
        report["peak_flops"] = peak_flops
        note(f"The peak, that of a matrix product, is {peak_flops / 1e9:,.0f} GFLOP/s.")
        console.print(HEADER, style="bold")
        for number, (model, size) in enumerate(cases, start=1):
            records = time_case(options, model, size, lambda words, n=number: update(n, words))
            for result in summarise(records, size, peak_flops):
                report["results"].append({"model": model, "work": options.work} | result)
                console.print(format_result(report["results"][-1]))
            report["geometric_mean"] = geometric_mean(report["results"])
            save(report)
    return report


def measure_peak(options: Options, show: Show) -> float:
    """Returns the FLOP/s of a matrix product."""
    request = {"model": "mlp", "batch_size": 1, "precision": options.precision}
    frameworks = ["matrix-product"]
    with start_workers(frameworks, show, cores=options.threads, **request) as workers:
        (product,) = race(workers, "train", options.rounds, options.seconds, show)
    return product["flops_per_example"] / float(np.median(product["seconds_each"]))


def time_case(options: Options, model: str, batch_size: int, show: Show) -> list[Record]:
    """Returns the records of `race` for one model at one batch size."""

    def show_model(words: str) -> None:
        show(f"{model}, batch {batch_size}: {words}")

    request = {"model": model, "batch_size": batch_size, "precision": options.precision}
    frameworks = options.frameworks
    with start_workers(frameworks, show_model, cores=options.threads, **request) as workers:
        records = race(workers, options.work, options.rounds, options.seconds, show_model)
    if options.work == "predict":
        return [record | {"flops_per_example": None} for record in records]
    return records
