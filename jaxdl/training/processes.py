"""Several processes that train together, one on each host, by JAX's own distribution.

All run the same program on the same options; what they must decide alike, the first decides.
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
from jaxdl.errors import UserError
from jaxdl.runs.command_line import INTERRUPTED

SECONDS_TO_MEET = 300
AUTOMATIC = "auto"


def join(coordinator: str, process_id: int, process_count: int) -> None:
    """Connects this process to the others; to be called before anything asks for devices.

    Args:
      coordinator: host:port of the first process; "auto" lets JAX find out all three, as it
        does without being asked where the environment tells of several processes (SLURM's
        srun, Kubernetes' TPU workers, slices of TPUs); "" otherwise for a process alone.
      process_id: of this process, from 0.
      process_count: of all.

    Raises:
      UserError: the others cannot be reached.
    """
    if not coordinator and not _environment_tells_of_several():
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
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"The processes of the training do not find each other ({reason}); "
            "mind --coordinator, --process-id and --process-count."
        ) from error


def _wait_for(coordinator: str) -> None:
    """Until the first process is there; JAX itself would end this one without a word."""
    host, port = coordinator.rsplit(":", 1)
    deadline = time.monotonic() + SECONDS_TO_MEET
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise UserError(
                    f"No first process answers at {coordinator} ({error.strerror or error}); "
                    "mind --coordinator and --process-id."
                ) from error
            time.sleep(0.2)


def _environment_tells_of_several() -> bool:
    in_slurm = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    several_workers = "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")
    return in_slurm or several_workers or "MEGASCALE_COORDINATOR_ADDRESS" in os.environ


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return jax.process_index() == 0


def gather(values: np.ndarray) -> np.ndarray:
    """What each process gives, (processes, ...), the same in all of them."""
    if jax.process_count() == 1:
        return np.asarray(values)[None]
    return np.asarray(multihost_utils.process_allgather(values))


def text_of_first(text: str) -> str:
    """The text that the first process gives."""
    if jax.process_count() == 1:
        return text
    length = int(gather(np.array([len(text.encode())]))[0, 0])
    letters = np.frombuffer(text.encode()[:length].ljust(length), np.uint8)
    return gather(letters)[0].astype(np.uint8).tobytes().decode()


def scratch_directory() -> Path:
    """A directory that is gone when this process ends, for what nobody will read."""
    directory = Path(tempfile.mkdtemp(prefix="jaxdl-"))
    _scratch.append(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@contextlib.contextmanager
def failing_at_once() -> Iterator[None]:
    """Ends a process that fails, or is left by another, without waiting for the others.

    A process alone is let be.
    """
    try:
        yield
    except BaseException as error:
        if not jax.distributed.is_initialized():
            raise
        if isinstance(error, KeyboardInterrupt):
            _say("Interrupted.")
            _exit(INTERRUPTED)
        if isinstance(error, UserError):
            if error.exit_status == UserError.exit_status or is_first():  # else all say the same
                _say(str(error) if error.exit_status == INTERRUPTED else f"error: {error}")
            _exit(error.exit_status)
        if not isinstance(error, jax.errors.JaxRuntimeError | OSError):
            traceback.print_exception(error)
        stop_without_the_others(error, "the same command and --resume RUN")


def stop_without_the_others(error: BaseException, command: str) -> NoReturn:
    """Ends this process at once: it, or another one, has failed, and nothing can be waited for.

    Args:
      error: what was raised.
      command: that goes on with the training.
    """
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    _say(
        f"error: This process of the training or another one has stopped ({reason}). "
        f"Go on with: {command}"
    )
    _exit(UserError.exit_status)


_scratch: list[Path] = []


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _exit(status: int) -> NoReturn:
    """Without what is registered to be done at the end, which would wait for the others."""
    for directory in _scratch:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.flush()
    os._exit(status)
