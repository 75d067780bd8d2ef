"""Contestants in processes of their own, timed in turn, so that a noisy machine harms all alike."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.console import note
from jaxdl.errors import UserError

Record = dict[str, Any]

REQUIRED_PACKAGES = {
    "ours": ("jax",),
    "keras-tensorflow": ("keras", "tensorflow"),
    "keras-jax": ("keras", "tensorflow"),
    "torch": ("torch",),
    "torch-channels-last": ("torch",),
    "torch-compile": ("torch",),
}
# All live at once: on a GPU none may take its memory beforehand.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
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

    def __init__(self, framework: str):
        """Starts it; it waits for its first question."""
        self.framework = framework
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | ENVIRONMENT,
        )

    def ask(self, **request: Any) -> Record:
        """Its answer to one line.

        Raises:
          UserError: it has ended, or refuses; the message has the last line that it printed.
        """
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or "{}")
        if "refused" in answer:
            raise UserError(f"{self.framework} takes no part: {answer['refused']}.")
        if not answer:
            self._errors.seek(0)
            lines = self._errors.read().strip().splitlines()
            reason = lines[-1] if lines else "it said nothing"
            raise UserError(f"The process of {self.framework} has ended: {reason}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@contextlib.contextmanager
def start_workers(
    frameworks: Sequence[str], show: Callable[[str], None], **request: Any
) -> Iterator[dict[str, tuple[Worker, Record]]]:
    """Starts a worker for each framework; they end with the context.

    Yields:
      By framework its worker and what that says of itself. Of a peer that cannot start, or
      whose model is not ours, a line on standard error tells why, and it is left out.

    Raises:
      UserError: ours, or the only one, cannot start.
    """
    started: dict[str, tuple[Worker, Record]] = {}
    with contextlib.ExitStack() as stack:
        for framework in frameworks:
            show(f"starting {framework}")
            worker = stack.enter_context(contextlib.closing(Worker(framework)))
            try:
                description = worker.ask(framework=framework, **request)
                if started:
                    _check_same_model(framework, description, started["ours"][1])
            except UserError as error:
                if not started:
                    raise
                note(str(error))
                continue
            started[framework] = (worker, description)
        yield started


def _check_same_model(framework: str, peer: Record, ours: Record) -> None:
    if peer["parameters"] != ours["parameters"]:
        raise UserError(
            f"The model of {framework} has {peer['parameters']:,} parameters, "
            f"ours {ours['parameters']:,}: they cannot be compared."
        )


def race(
    workers: Mapping[str, tuple[Worker, Record]],
    work: str,
    rounds: int,
    seconds: float,
    show: Callable[[str], None],
) -> list[Record]:
    """Each worker's turn in each round.

    Returns:
      For each worker its description, "framework", "seconds_each", the seconds of one train
      step or one prediction in each round, and "peak_memory" in bytes.
    """
    records = {
        framework: description | {"framework": framework, "seconds_each": []}
        for framework, (_, description) in workers.items()
    }
    for worker, _ in workers.values():
        worker.ask(work=work, seconds=seconds / 4)  # finds out how often it fits into the time
    for number in range(rounds):
        for framework, (worker, _) in workers.items():
            show(f"{framework}, round {number + 1} of {rounds}")
            answer = worker.ask(work=work, seconds=seconds)
            records[framework]["seconds_each"].append(answer["seconds"] / answer["times"])
            records[framework]["peak_memory"] = answer["peak_memory"]
    return list(records.values())


def summarise(records: Sequence[Record], batch_size: int, peak_flops: float) -> list[Record]:
    """Adds what is told of the rounds: medians, and ratios of ours to each peer.

    Args:
      records: of `race`, ours first.
      batch_size: examples of a step.
      peak_flops: FLOP/s of a matrix product on this machine.
    """
    ours = records[0]
    summaries = []
    for record in records:
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
