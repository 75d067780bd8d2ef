"""Contestants in processes of their own, timed in turn, so that a noisy machine harms all alike."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxdl.errors import UserError

Record = dict[str, Any]

REQUIRED_PACKAGES = {
    "ours": ("jax",),
    "keras-tensorflow": ("keras", "tensorflow"),
    "keras-jax": ("keras",),
    "torch": ("torch",),
    "torch-channels-last": ("torch",),
    "torch-compile": ("torch",),
}
PEERS = tuple(name for name in REQUIRED_PACKAGES if name != "ours")


def installed_peers() -> list[str]:
    """The frameworks that can be compared with here."""
    return [
        name
        for name in PEERS
        if all(importlib.util.find_spec(package) for package in REQUIRED_PACKAGES[name])
    ]


class Worker:
    """The process of one contestant."""

    def __init__(self, framework: str, cores: int, **request: Any):
        """Starts it on so many cores; ``request`` is that of `experiments.benchmark.worker`."""
        self.framework = framework
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.description = self.ask(framework=framework, cores=cores, **request)

    def ask(self, **request: Any) -> Record:
        """Its answer to one line.

        Raises:
          UserError: it has ended; the message has the last line that it printed.
        """
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            reason = lines[-1] if lines else "it said nothing"
            raise UserError(f"The process of {self.framework} has ended: {reason}")
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._errors.close()


@contextlib.contextmanager
def start_workers(
    frameworks: Sequence[str], cores: int, show: Callable[[str], None], **request: Any
) -> Iterator[list[Worker]]:
    """One worker for each framework that takes the request; they end with the context."""
    workers = []
    try:
        for framework in frameworks:
            show(f"starting {framework}")
            worker = Worker(framework, cores, **request)
            workers.append(worker)
        yield [worker for worker in workers if "refused" not in worker.description]
    finally:
        for worker in workers:
            worker.close()


def race(
    workers: Sequence[Worker], work: str, rounds: int, seconds: float, show: Callable[[str], None]
) -> list[Record]:
    """Each worker's turn in each round.

    Returns:
      For each worker its description, "framework", "seconds_each", the seconds of one train
      step or one prediction in each round, and "peak_memory" in bytes.
    """
    records = [
        worker.description | {"framework": worker.framework, "seconds_each": []}
        for worker in workers
    ]
    for worker in workers:
        worker.ask(work=work, seconds=seconds / 4)  # finds out how often it fits into the time
    for number in range(rounds):
        for worker, record in zip(workers, records, strict=True):
            show(f"{worker.framework}, round {number + 1} of {rounds}")
            answer = worker.ask(work=work, seconds=seconds)
            record["seconds_each"].append(answer["seconds"] / answer["times"])
            record["peak_memory"] = answer["peak_memory"]
    return records


def summarise(records: Sequence[Record], batch_size: int, peak_flops: float) -> list[Record]:
    """Adds what is told of the rounds: medians, and ratios of ours to each peer.

    Args:
      records: of `race`, ours first.
      batch_size: examples of a step.
      peak_flops: FLOP/s of a matrix product on this machine.

    Raises:
      UserError: a peer's model has another number of parameters than ours.
    """
    ours = records[0]
    summaries = []
    for record in records:
        if record["parameters"] != ours["parameters"]:
            raise UserError(
                f"The model of {record['framework']} has {record['parameters']:,} parameters, "
                f"ours {ours['parameters']:,}: they cannot be compared."
            )
        seconds = np.array(record["seconds_each"])
        ratios = seconds / np.array(ours["seconds_each"])
        flops = None
        if ours["flops_per_example"]:
            flops = ours["flops_per_example"] * batch_size / float(np.median(seconds))
        summaries.append(
            record
            | {
                "batch_size": batch_size,
                "flops_per_example": ours["flops_per_example"],
                "milliseconds": 1e3 * float(np.median(seconds)),
                "examples_per_second": batch_size / float(np.median(seconds)),
                "flops_per_second": flops,
                "share_of_peak": flops and flops / peak_flops,
                "ours_is_faster_by": {
                    "median": float(np.median(ratios)),
                    "lowest": float(ratios.min()),
                    "highest": float(ratios.max()),
                },
            }
        )
    return summaries
