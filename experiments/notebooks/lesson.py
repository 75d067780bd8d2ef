"""What the lessons show: source code, runs, figures and scores."""

import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.display import Code, Image, Markdown, display

RUNS = Path(os.environ.get("JAXDL_RUNS", "runs")).absolute()
OPTIONS = f"--runs-dir {RUNS} {os.environ.get('JAXDL_OPTIONS', '')}"
"""Options of all commands of the lessons."""


def show_source(thing: type | Callable[..., Any]) -> None:
    """Shows the source code of a class or function, as it is installed."""
    display(Code(inspect.getsource(thing), language="python"))


def newest_run(experiment: str) -> Path:
    """Returns the directory of the newest finished run of an experiment."""
    return max((RUNS / experiment).glob("*/summary.json")).parent


def show_figures(run: Path, *names: str) -> None:
    """Shows figures of a run by name, like "learning_curves.png"; those that it has."""
    for name in names:
        if (run / "figures" / name).is_file():
            display(Image(run / "figures" / name))


def show_scores(*runs: Path, of: str = "test_accuracy") -> None:
    """Shows a score of each run, and the options in which the runs differ."""
    summaries = [json.loads((run / "summary.json").read_text()) for run in runs]
    options = [summary["options"] for summary in summaries]
    differ = [name for name in options[0] if len({str(o.get(name)) for o in options}) > 1]
    rows = [["run", *differ, of.replace("_", " ")], ["---"] * (len(differ) + 2)]
    for run, summary in zip(runs, summaries, strict=True):
        values = [str(summary["options"].get(name)) for name in differ]
        rows.append([run.name, *values, f"{summary[of]:.4f}"])
    display(Markdown("\n".join(f"| {' | '.join(row)} |" for row in rows)))
