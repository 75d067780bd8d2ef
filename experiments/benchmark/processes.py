"""Processes in which contestants are timed: how they start, answer and end."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from experiments.benchmark.contestants import PICTURES, contestants_of
from jaxdl.console import note
from jaxdl.errors import UserError
from jaxdl.nn.cpu import WITHOUT_YNN_CONVOLUTION

Record = dict[str, Any]

# All processes live at once: on a GPU none may preallocate its memory.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
# These let glibc keep freed memory instead of returning it to the system, which would clear it
# again for the next step; our trainings that make one step in each call do the same by mallopt.
# Networks keep it in one heap for all threads. Other C libraries ignore them.
KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**63 - 1)}
IN_ONE_HEAP = KEEP_FREED_MEMORY | {"MALLOC_ARENA_MAX": "1"}
MEMORY = {"resnet": IN_ONE_HEAP, "speedrun": IN_ONE_HEAP, PICTURES: KEEP_FREED_MEMORY}

SECONDS_TO_END = 10.0


def inherited_environment() -> dict[str, str]:
    """Returns the environment without the flag of XLA that jaxdl sets for its own process."""
    flags = os.environ.get("XLA_FLAGS", "").replace(WITHOUT_YNN_CONVOLUTION, "")
    return os.environ | {"XLA_FLAGS": flags}


def environment_of(model: str) -> dict[str, str]:
    """Returns the environment of the processes that train a model, the same for all contestants."""
    memory = next((setting for name, setting in MEMORY.items() if model.startswith(name)), {})
    return inherited_environment() | ENVIRONMENT | memory


def installed_peers(model: str) -> list[str]:
    """Returns the names of the peers of a model whose packages are installed."""
    return [
        name
        for name, entry in contestants_of(model).items()
        if entry.peer and all(map(importlib.util.find_spec, entry.packages))
    ]


class Worker:
    """Talks to the process of one contestant."""

    def __init__(self, framework: str, model: str):
        """Starts the process, which waits for its first request."""
        self.framework, self.has_ended = framework, False
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment_of(model),
        )

    def ask(self, **request: Any) -> Record:
        """Sends a request and returns the answer.

        Raises:
          UserError: the process has ended, or it refuses; the message has its last line.
        """
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or "{}")
        if "refused" in answer:
            raise UserError(f"{self.framework} is left out: {answer['refused']}.")
        if not answer:
            self.has_ended = True
            self._errors.seek(0)
            reason = (self._errors.read().strip().splitlines() or ["it printed nothing"])[-1]
            raise UserError(f"The process of {self.framework} has ended: {reason}")
        return answer

    def close(self) -> None:
        """Ends the process, and with it those that it has started."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


@contextlib.contextmanager
def start_workers(
    frameworks: Sequence[str], show: Callable[[str], None], *, model: str, **request: Any
) -> Iterator[dict[str, tuple[Worker, Record]]]:
    """Starts a worker for each framework and ends them all with the context.

    A peer that cannot start, or whose model differs from ours, is left out; a line on standard
    error says why.

    Yields:
      The worker and its description for each framework.

    Raises:
      UserError: the first framework cannot start.
    """
    started: dict[str, tuple[Worker, Record]] = {}
    with contextlib.ExitStack() as stack:
        for framework in frameworks:
            show(f"starting {framework}")
            worker = stack.enter_context(contextlib.closing(Worker(framework, model)))
            try:
                description = worker.ask(framework=framework, model=model, **request)
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
            f"The model of {framework} has {peer['parameters']:,} parameters "
            f"and ours has {ours['parameters']:,}: they cannot be compared."
        )
