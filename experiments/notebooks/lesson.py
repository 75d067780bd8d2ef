"""What the lessons show: source code, runs, figures and scores."""

import inspect
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.display import Code, Image, Markdown, display

RUNS = Path(os.environ.get("JAXDL_RUNS", "runs")).absolute()
OPTIONS = f"--runs-dir {shlex.quote(str(RUNS))} {os.environ.get('JAXDL_OPTIONS', '')}"
"""Options of all commands of the lessons."""


def show_source(thing: type | Callable[..., Any]) -> None:
    """Shows the source code of a class or function, as it is installed."""
    display(Code(inspect.getsource(thing), language="python"))


def newest_run(experiment: str) -> Path:
    """Returns the directory of the newest finished run of an experiment."""
    finished = list((RUNS / experiment).glob("*/summary.json"))
    if not finished:
        raise FileNotFoundError(f"{RUNS} has no finished run of {experiment}: did the cell fail?")
    return max(finished).parent


def show_figures(run: Path, *names: str) -> None:
    """Shows figures of a run by name, like "learning_curves.png"."""
    for name in names:
        figure = run / "figures" / name
        if not figure.is_file():
            others = ", ".join(sorted(path.name for path in figure.parent.iterdir()))
            raise FileNotFoundError(f"{run} has no figure {name}, but {others}.")
        display(Image(figure))


def show_scores(*runs: Path, of: str = "test_accuracy") -> None:
    """Shows a score of each run, and those of their common options in which they differ."""
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs]
    options = [summary["options"] for summary in summaries]
    shared = [name for name in options[0] if all(name in each for each in options)]
    differ = [name for name in shared if len({str(each[name]) for each in options}) > 1]
    rows = [["experiment", *differ, of.replace("_", " ")], ["---"] * (len(differ) + 2)]
    for summary in summaries:
        values = [str(summary["options"][name]) for name in differ]
        rows.append([summary["experiment"], *values, f"{summary[of]:.4f}"])
    display(Markdown("\n".join(f"| {' | '.join(row)} |" for row in rows)))
