"""Where the time of a train step goes: a trace of the profiler, its dearest operations."""

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
from jaxdl.console import console

STEPS = 8
DEAREST = 10
ORIGIN = re.compile(r'^\s*(?:ROOT )?%?(\S+) = .*metadata=\{op_name="([^"]*)"', re.MULTILINE)


def profile(model: str, batch_size: int, precision: Precision) -> None:
    """Prints the ten dearest operations of our train step of a model and their shares.

    Operations inside of a loop stand beside the loop, which counts them too.
    """
    workload = WORKLOADS[model]
    data = random_data(workload, batch_size * STEPS)
    contestant = Ours(workload, data, batch_size, precision)
    contestant.train(STEPS)
    folder = Path(tempfile.mkdtemp(prefix=f"jaxdl-profile-{model}-"))
    with jax.profiler.trace(str(folder)):
        contestant.train(STEPS)
    durations, counts = read_trace(folder)
    whole = sum(seconds for name, seconds in durations.items() if not name.startswith("while"))
    console.print(f"{model}, batch {batch_size}; the trace is in {folder}", style="bold")
    console.print(f"{'ms a step':>10}{'share':>8}{'times':>8}  operation")
    origins = dict(ORIGIN.findall(contestant.program))
    for name, seconds in durations.most_common(DEAREST):
        times = counts[name] / STEPS
        origin = "/".join(origins.get(name, "").split("/")[-4:])
        console.print(
            f"{1e3 * seconds / STEPS:>10.3f}{seconds / whole:>8.1%}{times:>8.0f}  {name}  {origin}"
        )


def read_trace(folder: Path) -> tuple[collections.Counter[str], collections.Counter[str]]:
    """Seconds and number of executions of each operation in a trace."""
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
