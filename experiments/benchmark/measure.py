"""Times all cases of a benchmark, one after the other, and prints the table."""

import contextlib
import importlib.metadata
from collections.abc import Callable, Sequence
from functools import partial

from experiments.benchmark.comparison import compare_with_peers, geometric_mean
from experiments.benchmark.options import Options
from experiments.benchmark.processes import Record, start_workers
from experiments.benchmark.race import race, start_yardstick, summarise
from experiments.benchmark.steady import Yardstick
from jaxdl.console import console, note, progress
from jaxdl.runs.environment import describe_environment

KEPT = ("framework", "turns", "ended")
"""What is kept of a contestant that is left out."""
HEADER = (
    f"{'model':<12}{'framework':<24}{'batch':>6}{'examples/s':>13}{'ms':>10}{'first step':>12}"
    f"{'memory':>9}{'of peak':>9}  speed of ours / peer"
)


def format_result(result: Record) -> str:
    """Formats one line of the table."""
    share, ratio = result["share_of_peak"], result["ours_is_faster_by"]
    spread = f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"
    return (
        f"{result['model']:<12}{result['framework']:<24}{result['batch_size']:>6}"
        f"{result['examples_per_second']:>13,.0f}{result['milliseconds']:>10.3f}"
        f"{result['first_step_seconds']:>10.1f} s{result['peak_memory'] / 2**30:>6.2f} GB"
        f"{'' if share is None else f'{share:.0%}':>9}"
        f"{'' if result['framework'] == 'ours' else '  ' + spread}"
    )


def versions() -> dict[str, str]:
    """Returns the versions of all frameworks that are installed."""
    names = (
        *("jax", "jaxlib", "flax", "keras", "tensorflow", "tensorflow-cpu", "torch", "torchvision"),
        *("grain", "pillow", "simplejpeg", "opencv-python-headless"),
    )
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def measure(options: Options, save: Callable[[Record], None]) -> Record:
    """Times everything that the options ask for and prints each result immediately.

    Args:
      options: options of the command line.
      save: called with the report after each case, so that an interruption loses nothing.

    Returns:
      The content of the JSON file: "environment", "versions", "precision", "rounds", "seconds" of a
      turn, "steadiness" (how disturbed turns were found), "peak_flops" (FLOP/s of a matrix
      product), "results" (those of `summarise` for all cases), "left_out" (contestants without a
      round in which both their turn and ours were steady) and "geometric_mean" (of the speed of
      ours relative to the best peer).
    """
    cases = options.cases
    report = {
        "environment": describe_environment() | {"threads": options.threads},
        "versions": versions(),
        "precision": options.precision,
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    timed = []
    with contextlib.ExitStack() as stack:
        update = stack.enter_context(progress("benchmark", len(cases)))
        yardstick = stack.enter_context(
            start_yardstick(options.threads, options.precision, partial(update, 0))
        )
        note(f"The peak, that of a matrix product, is {yardstick.peak_flops / 1e9:,.0f} GFLOP/s.")
        console.print(HEADER, style="bold")
        for number, case in enumerate(cases):
            timed.append((case, time_case(options, *case, partial(update, number), yardstick)))
            report |= judge(timed, options.work, yardstick)
            save(report)
            print_case(report, case)
    return report


def judge(
    timed: Sequence[tuple[tuple[str, int], list[Record]]], work: str, yardstick: Yardstick
) -> Record:
    """Judges all cases so far again, since a later product may show that turns were disturbed.

    Args:
      timed: model and batch size of each case, and its records of `race`.
      work: "train", "predict" or "input".
      yardstick: judges the turns.
    """
    results, left_out = [], []
    for (model, size), records in timed:
        case = {"model": model, "work": work}
        summaries = summarise(records, size, yardstick)
        results += [case | summary for summary in summaries]
        steady = {summary["framework"] for summary in summaries}
        left_out += [
            case | {"batch_size": size} | {name: r[name] for name in KEPT if name in r}
            for r in records
            if r["framework"] not in steady
        ]
    return {
        "steadiness": yardstick.describe(),
        "peak_flops": yardstick.peak_flops,
        "results": results,
        "left_out": left_out,
        "geometric_mean": geometric_mean(results),
    }


def print_case(report: Record, case: tuple[str, int]) -> None:
    """Prints the lines of a case, and which turns of it were discarded."""
    of_case = [r for r in report["results"] if (r["model"], r["batch_size"]) == case]
    for result in of_case:
        console.print(format_result(result))
    for comparison in compare_with_peers(of_case):
        ratio = comparison.best["ours_is_faster_by"]["median"]
        form = comparison.best["framework"]
        console.print(f"{ratio:.2f} times as fast as {comparison.peer}'s best form, {form}")
    discarded = sum(result["discarded_turns"] for result in of_case)
    if discarded:
        note(f"{discarded} turns were disturbed and are discarded.")
    left_out = [r["framework"] for r in report["left_out"] if (r["model"], r["batch_size"]) == case]
    if left_out:
        note(f"Left out, without a round that nothing disturbed: {', '.join(left_out)}.")


def time_case(
    options: Options, model: str, batch_size: int, show: Callable[[str], None], yardstick: Yardstick
) -> list[Record]:
    """Returns the records of `race` for one model at one batch size."""

    def show_model(words: str) -> None:
        show(f"{model}, batch {batch_size}: {words}")

    request = {"model": model, "batch_size": batch_size, "precision": options.precision}
    frameworks = options.frameworks
    with start_workers(frameworks, show_model, cores=options.threads, **request) as workers:
        turns = (options.work, options.rounds, options.seconds)
        records = race(workers, *turns, show_model, yardstick)
    if options.work != "train":
        return [record | {"flops_per_example": None} for record in records]
    return records
