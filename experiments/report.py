"""Collects results and writes the README's tables from them.

    python -m experiments.report runs/cnn/20261121-120000-0-5-seeds.json --name cnn-mnist
    python -m experiments.report

The first keeps the file that ``--seeds`` wrote, or the summary.json of a single run, as
``experiments/results/cnn-mnist.json``; both write the tables again from all files there.
"""

import dataclasses
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from experiments.benchmark.tables import (
    format_pipelines,
    format_speeds,
    format_times_to_accuracy,
    pictures_per_core,
)
from experiments.compile.tables import format_gpu_table, format_tpu_table
from experiments.sentence_table import format_sentences
from jaxdl.analysis.roofline import GPUS, seconds_of_step
from jaxdl.console import console
from jaxdl.errors import UsageError, UserError
from jaxdl.files import is_unchanged, write_json, write_text
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.scores import format_average
from jaxdl.runs.seeds import average

Record = dict[str, Any]

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "experiments" / "results"
README = REPOSITORY / "README.md"
BENCHMARK = REPOSITORY / "experiments" / "benchmark" / "results"
PIPELINES = BENCHMARK / "input-cpu-2-cores.json"
BEGIN, END = "<!-- {}: python -m experiments.report -->", "<!-- end of {} -->"


@dataclasses.dataclass(frozen=True)
class Options:
    """What to collect."""

    results: tyro.conf.Positional[Path | None] = None
    """File that --seeds wrote, or a summary.json; by default only the tables are written."""
    name: str | None = None
    """Name of the result."""
    figure: Path | None = None
    """Figure of one of its runs to keep beside it."""


def collect(path: Path, name: str, figure: Path | None = None) -> None:
    """Keeps a result under a name, and a figure if one is given.

    Raises:
      UserError: the file is no such result, or was changed, or there is no such figure.
    """
    if figure and not figure.is_file():
        raise UserError(f"There is no figure {figure}.")
    try:
        result = json.loads(path.read_text())
        if "seed" in result:
            if not is_unchanged(result):
                raise UserError(f"{path} was changed after jaxdl wrote it.")
            result.pop("checksum")  # it is that of the file, not of the average
            result = average([result])
        format_row(name, result)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is neither a result that --seeds wrote nor a summary.json."
        ) from error
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", result)
    if figure:
        shutil.copy(figure, RESULTS / f"{name}.png")


def format_table() -> str:
    """Formats the Markdown table of all results, sorted by data set, then from worst to best."""
    header = [
        "| result | data | parameters | seeds | on the test split | time | trained on |",
        "|---|---|---|---|---|---|---|",
    ]
    results = [(path.stem, json.loads(path.read_text())) for path in RESULTS.glob("*.json")]
    results.sort(key=lambda named: (named[1]["dataset"], *_rank(named[1]), named[0]))
    return "\n".join(header + [format_row(name, result) for name, result in results])


def _rank(result: Record) -> tuple[bool, float]:
    """Orders classifiers by accuracy; generators follow, the largest Frechet distance first."""
    if "test_accuracy" in result:
        return False, result["test_accuracy"]["mean"]
    return True, -result["test_frechet_ratio"]["mean"] if "test_frechet_ratio" in result else 0.0


def format_row(name: str, result: Record) -> str:
    """Formats one row: the mean ± standard deviation of the score over seeds, and the mean time."""
    seconds, device = result["seconds_total"], result["device_kind"]
    if result["platform"] == "cpu":
        cores = result["processor_cores"]
        device = f"{cores} core{'s' if cores > 1 else ''}, {result['processor']}"
    cells = (
        f"[{name}](experiments/results/{name}.json)",
        result["dataset"],
        f"{result['parameters']:,}",
        str(len(result["seeds"])),
        format_headline(result),
        f"{seconds['mean']:.0f} s",
        f"{device}, {_framework(result)}",
    )
    return f"| {' | '.join(cells)} |"


def _framework(result: Record) -> str:
    if "keras_version" in result:
        return f"Keras {result['keras_version']} on TensorFlow {result['tensorflow_version']}"
    return f"JAX {result['jax_version']}"


def format_headline(result: Record) -> str:
    """Formats the accuracy of a classifier, or what a language model or a generator has instead."""
    if "test_accuracy" in result:
        return format_average("test_accuracy", result["test_accuracy"])
    if "validation_perplexity" in result:
        perplexity = format_average("validation_perplexity", result["validation_perplexity"])
        return f"perplexity {perplexity} on validation texts"
    ratio = result["test_frechet_ratio"]
    deviation = "" if ratio["std"] is None else f" ± {ratio['std']:.1f}"
    cells = [f"Frechet distance {ratio['mean']:.1f}{deviation} times its floor"]
    for name in ("precision", "recall"):
        cells.append(f"{name} {100 * result[f'test_{name}']['mean']:.0f} %")
    least = 100 * min(result["test_smallest_class_share"]["values"])
    most = 100 * max(result["test_largest_class_share"]["values"])
    cells.append(f"classes {least:.1f} to {most:.1f} %")
    if "test_class_accuracy" in result:
        cells.append(f"{100 * result['test_class_accuracy']['mean']:.1f} % as asked for")
    return ", ".join(cells)


def format_feeding(report: Record) -> str:
    """Formats how many cores read pictures as fast as chips, at their roofline, train on them.

    Args:
      report: what experiments.compile wrote about the presets for ImageNet.
    """
    inputs = json.loads(PIPELINES.read_text())
    ours = next(result for result in inputs["results"] if result["framework"] == "ours")
    per_core = pictures_per_core(inputs, ours)
    chips = report["chips"]
    rows = [
        f"| network | pictures/s of {chips} x v5e | cores | pictures/s of an H200 | cores |",
        "|---|---|---|---|---|",
    ]
    for result in report["results"]:
        of_gpu = seconds_of_step(result["flops"], result["bytes_accessed"], GPUS["h200"])
        cells = [result["experiment"]]
        for speed in (
            result["batch_size"] / result["least_seconds"]["v5e"],
            result["batch_size"] / chips / of_gpu,
        ):
            cells += [f"{speed:,.0f}", f"{math.ceil(speed / per_core)}"]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def format_trials(report: Record) -> str:
    """Formats the Markdown table of the campaign of tests/faults; generated files share a row."""
    tried, failed = Counter(), Counter()
    for kind in report["kinds"]:
        name = "generated files" if kind["kind"].startswith("generated ") else kind["kind"]
        tried[name] += kind["tried"]
        failed[name] += kind["failed"]
    rows = ["| fault | tried | survived | failed |", "|---|---|---|---|"]
    rows += [f"| {k} | {n:,} | {n - failed[k]:,} | {failed[k]:,} |" for k, n in tried.items()]
    return "\n".join(rows)


def _of_file(path: Path, format_: Callable[[Record], str]) -> Callable[[], str]:
    """Returns a function that formats what a file holds."""
    return lambda: format_(json.loads(path.read_text()))


TABLES = {
    "results": format_table,
    "sentences": partial(format_sentences, RESULTS / "sentences"),
    "to-accuracy": _of_file(BENCHMARK / "to-accuracy-cpu-2-cores.json", format_times_to_accuracy),
    "pipelines": _of_file(PIPELINES, format_pipelines),
    "feeding": _of_file(RESULTS / "tpu" / "imagenet-v5e-2x4.json", format_feeding),
    "speed": _of_file(BENCHMARK / "cpu-2-cores.json", format_speeds),
    "tpu": _of_file(RESULTS / "tpu" / "v5e-2x2.json", format_tpu_table),
    "gpu": _of_file(RESULTS / "gpu" / "h200.json", format_gpu_table),
    "faults": _of_file(RESULTS / "faults" / "cpu-2-cores.json", format_trials),
}


def with_tables(readme: str) -> str:
    """Returns the README with each table between its two markers, where it has them."""
    for name, format_ in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, _, rest = readme.partition(begin)
        if end in rest:
            readme = f"{before}{begin}\n{format_()}\n{end}{rest.partition(end)[2]}"
    return readme


def main() -> None:
    """Parses the command line, collects the result, writes the tables."""
    options = parse_dataclass(Options, "experiments.report", description=__doc__)
    if (options.results is None) != (options.name is None):
        raise UsageError("Give a result file and a --name for it, or neither.")
    if options.figure and not options.results:
        raise UsageError("--figure has no effect without a result file: leave it out.")
    if options.results and options.name:
        collect(options.results, options.name, options.figure)
    write_text(README, with_tables(README.read_text("utf-8")))
    console.print(f"Wrote the tables in {README.name}.")


if __name__ == "__main__":
    run_command(main)
