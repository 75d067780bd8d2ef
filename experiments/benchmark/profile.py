"""Traces a train step with JAX's profiler and prints its most expensive operations."""

import collections
import gzip
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import jax

from experiments.benchmark.ours import Ours
from experiments.benchmark.workloads import WORKLOADS, Precision, random_data
from jaxdl.console import console, note

STEPS = 8
MOST_EXPENSIVE = 10
ORIGIN = re.compile(r'^\s*(?:ROOT )?%?(\S+) = .*metadata=\{op_name="([^"]*)"', re.MULTILINE)


def profile(model: str, batch_size: int, precision: Precision) -> None:
    """Prints the ten most expensive operations of our train step and their shares of its time.

    The operations inside a loop are listed as well as the loop, whose time may include theirs.
    """
    workload = WORKLOADS[model]
    data = random_data(workload, batch_size * STEPS)
    contestant = Ours(workload, data, batch_size, precision)
    contestant.train(STEPS)
    folder = Path(tempfile.mkdtemp(prefix=f"jaxdl-profile-{model}-"))
    with jax.profiler.trace(str(folder)):
        contestant.train(STEPS)
    durations, counts = read_trace(folder)
    total = sum(seconds for name, seconds in durations.items() if not name.startswith("while"))
    note(f"The trace is in {folder}.")
    console.print(f"{model}, batch {batch_size}", style="bold")
    console.print(f"{'ms/step':>10}{'share':>8}{'count':>8}  operation")
    origins = dict(ORIGIN.findall(contestant.program))
    for name, seconds in durations.most_common(MOST_EXPENSIVE):
        count = counts[name] / STEPS
        origin = "/".join(origins.get(name, "").split("/")[-4:])
        console.print(
            f"{1e3 * seconds / STEPS:>10.3f}{seconds / total:>8.1%}{count:>8.0f}  {name}  {origin}"
        )


def read_trace(folder: Path) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Returns the seconds and the number of executions of each operation in a trace."""
    durations: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    for path in folder.rglob("*.trace.json.gz"):
        events: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
        for event in events:
            operation = event.get("args", {}).get("hlo_op")
            if operation:
                durations[operation] += event["dur"] / 1e6
                counts[operation] += 1
    return durations, counts
