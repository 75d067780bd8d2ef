"""Collects results and writes the README's tables from them.

    python -m experiments.report runs/cnn/20261121-120000-0-5-seeds.json --name cnn-mnist
    python -m experiments.report

The first keeps the file that ``--seeds`` wrote, or the summary.json of a single run, as
``experiments/results/cnn-mnist.json``; both write the tables again from all files there.
"""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments.benchmark.comparison import compare_with_peers
from jaxdl.console import console
from jaxdl.errors import UsageError, UserError
from jaxdl.files import write_json, write_text
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.scores import format_average
from jaxdl.runs.seeds import average

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "experiments" / "results"
README = REPOSITORY / "README.md"
TO_ACCURACY_RESULT = (
    REPOSITORY / "experiments" / "benchmark" / "results" / "to-accuracy-cpu-2-cores.json"
)
SPEED_RESULT = REPOSITORY / "experiments" / "benchmark" / "results" / "cpu-2-cores.json"
TPU_RESULT = RESULTS / "tpu" / "v5e-2x2.json"
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
      UserError: the file is no such result, or there is no such figure.
    """
    if figure and not figure.is_file():
        raise UserError(f"There is no figure {figure}.")
    try:
        result = json.loads(path.read_text())
        if "seed" in result:
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
    """Formats the Markdown table of all results, in the order of their names."""
    header = [
        "| result | data | parameters | seeds | on the test split | time | trained on |",
        "|---|---|---|---|---|---|---|",
    ]
    paths = sorted(RESULTS.glob("*.json"))
    return "\n".join(header + [format_row(p.stem, json.loads(p.read_text())) for p in paths])


def format_row(name: str, result: dict[str, Any]) -> str:
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
        f"{device}, JAX {result['jax_version']}",
    )
    return f"| {' | '.join(cells)} |"


def format_headline(result: dict[str, Any]) -> str:
    """Formats the accuracy of a classifier, or the Frechet distance of a generator."""
    if "test_accuracy" in result:
        return format_average("test_accuracy", result["test_accuracy"])
    ratio = result["test_frechet_ratio"]
    deviation = "" if ratio["std"] is None else f" ± {ratio['std']:.1f}"
    return f"Frechet distance {ratio['mean']:.1f}{deviation} times its floor"


def format_times_to_accuracy() -> str:
    """Formats the Markdown table of the results of the benchmark's --to-accuracy."""
    rows = [
        "| model | here | test accuracy | in Keras | test accuracy | share of the time |",
        "|---|---|---|---|---|---|",
    ]
    for result in json.loads(TO_ACCURACY_RESULT.read_text())["results"]:
        cells = [result["model"]]
        for name in ("ours", "keras"):
            seconds = f"{np.median(result[name]['seconds']):.0f} s"
            if "cold_seconds" in result[name]:
                seconds += f", cold {result[name]['cold_seconds']:.0f} s"
            cells += [seconds, f"{np.median(result[name]['test_accuracy']):.1%}"]
        share = f"{result['share_of_keras']:.2f}"
        if "cold_share_of_keras" in result:
            share += f", cold {result['cold_share_of_keras']:.2f}"
        rows.append(f"| {' | '.join([*cells, share])} |")
    return "\n".join(rows)


def format_speeds() -> str:
    """Formats the Markdown table of the benchmark: how many times as fast as each peer."""
    report = json.loads(SPEED_RESULT.read_text())
    comparisons = compare_with_peers(report["results"])
    peers = list(dict.fromkeys(comparison.peer for comparison in comparisons))
    header = ["model", "batch", "here, examples/s"]
    header += [f"{peer}, {form}" for peer in peers for form in ("plain form", "best form")]
    rows = [header, ["---"] * len(header)]
    for ours in (result for result in report["results"] if result["framework"] == "ours"):
        case = ours["model"], ours["batch_size"]
        of_case = {c.peer: c for c in comparisons if c.case == case}
        cells = [case[0], str(case[1]), f"{ours['examples_per_second']:,.0f}"]
        for peer in peers:
            comparison = of_case.get(peer)
            for form in ("plain", "best"):
                cells.append(_format_ratio(comparison and getattr(comparison, form), form))
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _format_ratio(result: dict[str, Any] | None, form: str) -> str:
    if not result:
        return ""
    ratio = f"{result['ours_is_faster_by']['median']:.2f}"
    return ratio if form == "plain" else f"{ratio} ({result['framework']})"


def format_tpu_table() -> str:
    """Formats the Markdown table of the results of experiments.compile_for_tpu."""
    report = json.loads(TPU_RESULT.read_text())
    kinds = report["published_peaks"]
    counts = report["results"][0]["computing_share"]["v5e"]
    header = ["experiment", "batch", "memory", "GFLOP", "collectives"]
    header += [f"{kind}, us" for kind in kinds] + [f"{int(count):,} chips" for count in counts]
    rows = [header, ["---"] * len(header)]
    for result in report["results"]:
        collectives = sum(kind["bytes"] for kind in result["collectives"].values())
        rows.append(
            [
                result["experiment"],
                str(result["batch_size"]),
                f"{result['memory_bytes'] / 1e6:,.0f} MB",
                f"{result['flops'] / 1e9:.2f}",
                f"{collectives / 1e6:.1f} MB",
                *(f"{1e6 * result['least_seconds'][kind]:,.0f}" for kind in kinds),
                *(f"{share:.0%}" for share in result["computing_share"]["v5e"].values()),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


TABLES = {
    "results": format_table,
    "to-accuracy": format_times_to_accuracy,
    "speed": format_speeds,
    "tpu": format_tpu_table,
}


def with_tables(readme: str) -> str:
    """Returns the README with each table between its two markers, where it has them."""
    for name, format_ in TABLES.items():
        begin, end = BEGIN.format(name), END.format(name)
        before, found, rest = readme.partition(begin)
        if found:
            readme = f"{before}{begin}\n{format_()}\n{end}{rest.partition(end)[2]}"
    return readme


def main() -> None:
    """Parses the command line, collects the result, writes the tables."""
    options = parse_dataclass(Options, "experiments.report", description=__doc__)
    if (options.results is None) != (options.name is None):
        raise UsageError("Give a result file and a --name for it, or neither.")
    if options.results and options.name:
        collect(options.results, options.name, options.figure)
    write_text(README, with_tables(README.read_text()))
    console.print(f"Wrote the tables in {README.name}.")


if __name__ == "__main__":
    run_command(main)
