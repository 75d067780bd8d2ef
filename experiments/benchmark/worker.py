"""Runs one contestant in a process that `experiments.benchmark.processes` starts.

It reads requests from standard input and writes answers to standard output, each a line of
JSON. The first request says which contestant to build; every later one names the work to time
and about how many seconds that may take.
"""

import importlib
import json
import os
import resource
import sys
import time
from typing import Any

from experiments.benchmark.contestants import contestants_of

EXAMPLES = 16_384
READ_AHEAD = 16
"""Number of batches, more than an input pipeline reads before it is asked for them."""
SECONDS_TO_SETTLE = 6.0
"""Time in which an input pipeline finishes reading ahead."""


class Stopwatch:
    """Repeats work for about a given number of seconds and times it."""

    def __init__(self, contestant: Any):
        """Takes a contestant that has made its first train step, or read its first batch."""
        self._work = {
            "train": getattr(contestant, "train", None),
            "predict": lambda times: [contestant.predict() for _ in range(times)],
            "input": getattr(contestant, "read", None),
        }
        self._steps_per_epoch = getattr(contestant, "steps_per_epoch", 1)
        self._seconds_each = {}

    def time(self, work: str, seconds: float) -> dict[str, Any]:
        """Returns how many "times" the work was repeated and the "seconds" that took in total.

        Where a contestant has to start again for a part of an epoch, only whole epochs are timed,
        unless one takes too long. Batches that were read ahead, between two turns, are not timed;
        and reading ahead has ended before the answer, after which others are timed.
        """
        if work == "input":
            self._run(work, READ_AHEAD)
        if work not in self._seconds_each:
            first = READ_AHEAD if work == "input" else 1
            self._run(work, first)
            self._seconds_each[work] = self._run(work, first) / first
        times = max(1, round(seconds / self._seconds_each[work]))
        if work == "train" and times > self._steps_per_epoch:
            times -= times % self._steps_per_epoch
        taken = self._run(work, times)
        self._seconds_each[work] = taken / times
        if work == "input":
            time.sleep(SECONDS_TO_SETTLE)
        return {"times": times, "seconds": taken}

    def _run(self, work: str, times: int) -> float:
        started = time.perf_counter()
        self._work[work](times)
        return time.perf_counter() - started


def build(
    framework: str, model: str, batch_size: int, precision: str
) -> tuple[Any, dict[str, Any]]:
    """Returns the contestant after its first train step or batch, and its description."""
    entry = contestants_of(model)[framework]
    os.environ["KERAS_BACKEND"] = entry.keras_backend
    workloads = importlib.import_module("experiments.benchmark.workloads")
    make = getattr(importlib.import_module(f"experiments.benchmark.{entry.module}"), entry.build)
    workload = workloads.workload_of(model)
    data = workloads.random_data(workload, max(EXAMPLES, batch_size))
    started = time.perf_counter()
    contestant = make(workload, data, batch_size, precision)
    begin = contestant.read if workload.input == "files" else contestant.train
    begin(1)
    first_step_seconds = time.perf_counter() - started
    return contestant, {
        "parameters": getattr(contestant, "parameters", 0),
        "first_step_seconds": first_step_seconds,
        "flops_per_example": getattr(contestant, "flops_per_example", None),
    }


def peak_memory() -> int:
    """Returns the peak memory of this process in bytes: of the GPU if PyTorch or JAX has one."""
    for name, peak in (
        ("torch", lambda torch: torch.cuda.is_available() and torch.cuda.max_memory_allocated()),
        ("jax", lambda jax: (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")),
    ):
        found = name in sys.modules and peak(sys.modules[name])
        if found:
            return found
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    """Answers each line of standard input with a line on standard output."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # for what the frameworks print
    request = json.loads(sys.stdin.readline())
    cores = request.pop("cores")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.environ["OMP_NUM_THREADS"] = str(cores)
    try:
        contestant, answer = build(**request)
    except NotImplementedError as error:
        print(json.dumps({"refused": str(error)}), file=answers)
        return
    stopwatch = Stopwatch(contestant)
    print(json.dumps(answer), file=answers)
    for line in sys.stdin:
        answer = stopwatch.time(**json.loads(line)) | {"peak_memory": peak_memory()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
