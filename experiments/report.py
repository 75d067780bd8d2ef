"""Collects results and writes the README's table from them.

    python -m experiments.report runs/cnn/20261121-120000-5-seeds.json --name cnn-mnist
    python -m experiments.report

The first keeps what ``--seeds`` wrote, or the summary.json of a single run, as
``experiments/results/cnn-mnist.json``; both write the table anew from all files there.
"""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import tyro

from jaxdl.console import console
from jaxdl.errors import UsageError, UserError
from jaxdl.runs.command_line import parse_dataclass, run_command
from jaxdl.runs.run import write_json, write_text
from jaxdl.runs.scores import format_average
from jaxdl.training.launch import average

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "experiments" / "results"
README = REPOSITORY / "README.md"
BEGIN, END = "<!-- results: python -m experiments.report -->", "<!-- end of results -->"


@dataclasses.dataclass(frozen=True)
class Options:
    """What to collect."""

    results: tyro.conf.Positional[Path | None] = None
    """What --seeds wrote, or a summary.json; none to write the table only."""
    name: str | None = None
    """What to call the result."""
    figure: Path | None = None
    """A figure of one of its runs to keep beside it."""


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
    """The Markdown table of all results, in the order of their names."""
    header = [
        "| result | data | parameters | seeds | on the test split | time | trained on |",
        "|---|---|---|---|---|---|---|",
    ]
    paths = sorted(RESULTS.glob("*.json"))
    return "\n".join(header + [format_row(p.stem, json.loads(p.read_text())) for p in paths])


def format_row(name: str, result: dict[str, Any]) -> str:
    """One row: the score as mean ± standard deviation over the seeds, the mean time."""
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
    """The accuracy of a classifier, or of a generator its Frechet distance over its floor."""
    if "test_accuracy" in result:
        return format_average("test_accuracy", result["test_accuracy"])
    ratio = result["test_frechet_ratio"]
    deviation = "" if ratio["std"] is None else f" ± {ratio['std']:.1f}"
    return f"Frechet distance {ratio['mean']:.1f}{deviation} times its floor"


def with_table(readme: str, table: str) -> str:
    """The README with the table between its two markers."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    """Reads the command line, collects, writes the table."""
    options = parse_dataclass(Options, "experiments.report", description=__doc__)
    if (options.results is None) != (options.name is None):
        raise UsageError("Give a result file and a --name for it, or neither.")
    if options.results and options.name:
        collect(options.results, options.name, options.figure)
    write_text(README, with_table(README.read_text(), format_table()))
    console.print(f"Wrote the table in {README.name}.")


if __name__ == "__main__":
    run_command(main)
