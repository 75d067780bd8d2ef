"""Several processes that train together, one on each host, by JAX's own distribution.

All run the same program with the same options; where all must decide alike, the first decides.
"""

import atexit
import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxdl.console import note
from jaxdl.errors import UserError, reason_of
from jaxdl.training.interruption import InterruptedTraining

SECONDS_TO_MEET = 300
AUTOMATIC = "auto"


def join(coordinator: str, process_id: int, process_count: int) -> None:
    """Connects this process to the others; must be called before anything uses a device.

    Args:
      coordinator: host:port of the first process; "auto" lets JAX detect all three arguments.
        With "" it does so only where the environment names several processes (SLURM's srun,
        Kubernetes' TPU workers, several TPU slices).
      process_id: number of this process, from 0.
      process_count: number of processes.

    Raises:
      UserError: the others cannot be reached.
    """
    if not coordinator and not _environment_names_several():
        return
    arguments = {}
    if coordinator not in ("", AUTOMATIC):
        if process_id == 0:
            note(f"Waiting at {coordinator} for {process_count} processes to meet.")
        else:
            _wait_for(coordinator)
        arguments = {
            "coordinator_address": coordinator,
            "num_processes": process_count,
            "process_id": process_id,
        }
    try:
        jax.distributed.initialize(**arguments, initialization_timeout=SECONDS_TO_MEET)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"The processes of the training cannot find each other ({reason_of(error)}); "
            "check --coordinator, --process-id and --process-count."
        ) from error


def _wait_for(coordinator: str) -> None:
    """Waits for the first process; JAX itself would end this one without a message."""
    host, port = coordinator.rsplit(":", 1)
    deadline = time.monotonic() + SECONDS_TO_MEET
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except (OSError, UnicodeError) as error:
            if isinstance(error, UnicodeError) or time.monotonic() > deadline:
                raise UserError(
                    f"No first process answers at {coordinator} ({reason_of(error)}); "
                    "check --coordinator and --process-id."
                ) from error
            time.sleep(0.2)


def _environment_names_several() -> bool:
    in_slurm = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    several_workers = "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")
    return in_slurm or several_workers or "MEGASCALE_COORDINATOR_ADDRESS" in os.environ


def is_first() -> bool:
    """Whether this process is the one that writes files and prints."""
    return jax.process_index() == 0


def gather(values: np.ndarray) -> np.ndarray:
    """Collects the values of all processes in each of them, (processes, ...)."""
    return np.asarray(multihost_utils.process_allgather(values))


def agree(steps: int, seconds: float, save: bool, stop: bool) -> tuple[int, float, bool, bool]:
    """Makes all processes act alike although their clocks and signals differ.

    The first process decides, except that any of them can stop the training.

    Args:
      steps: number of steps in the next call.
      seconds: time spent in training so far.
      save: whether a checkpoint is due.
      stop: whether this process was told to stop.
    """
    votes = gather(np.array([steps, seconds, save, stop], np.float32))
    steps, seconds, save, _ = votes[0]
    return int(steps), float(seconds), bool(save), bool(votes[:, 3].any())


def text_of_first(text: str) -> str:
    """Returns in every process the text of the first one."""
    if jax.process_count() == 1:
        return text
    length = int(gather(np.array([len(text.encode())]))[0, 0])
    letters = np.frombuffer(text.encode()[:length].ljust(length), np.uint8)
    return gather(letters)[0].astype(np.uint8).tobytes().decode()


def scratch_directory() -> Path:
    """Makes a directory that is removed when this process ends."""
    directory = Path(tempfile.mkdtemp(prefix="jaxdl-"))
    _scratch.append(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@contextlib.contextmanager
def exiting_together(command: str = "the same command and --resume RUN") -> Iterator[None]:
    """Ends a process that fails, or that another one has left, without waiting for the others.

    A process that trains alone simply raises its errors.

    Args:
      command: command that resumes the training, for the message.
    """
    try:
        yield
    except BaseException as error:
        if not jax.distributed.is_initialized():
            raise
        if isinstance(error, KeyboardInterrupt):
            _print_error("Interrupted.")
            _exit(InterruptedTraining.exit_status)
        if isinstance(error, UserError):
            interrupted = isinstance(error, InterruptedTraining)
            if error.exit_status == UserError.exit_status or is_first():  # else all print the same
                _print_error(str(error) if interrupted else f"error: {error}")
            _exit(error.exit_status)
        if not isinstance(error, jax.errors.JaxRuntimeError | OSError):
            traceback.print_exception(error)
        _print_error(
            "error: This process of the training or another one has stopped "
            f"({reason_of(error)}). Resume with: {command}"
        )
        _exit(UserError.exit_status)


_scratch: list[Path] = []


def _print_error(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _exit(status: int) -> NoReturn:
    """Exits without the registered exit handlers, which would wait for the others."""
    for directory in _scratch:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.flush()
    os._exit(status)
