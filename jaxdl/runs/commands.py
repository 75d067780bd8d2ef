"""How a command begins and ends: its streams, its errors in one line, its exit status."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from jaxdl.console import note
from jaxdl.errors import UserError, reason_of
from jaxdl.training.interruption import InterruptedTraining


def _prepare_streams() -> None:
    """Lets standard input have any bytes, and standard output and error any text, in any locale.

    A closed stream is replaced by the null device.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # as for file names
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # which it is not in a notebook or a test
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


@contextlib.contextmanager
def exiting_on_error() -> Iterator[None]:
    """Ends the process after the context; errors that a user can fix are printed in one line.

    If the reader of a pipe closes it, the process ends silently, with status 1.
    """
    _prepare_streams()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see experiments/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except UserError as error:
        interrupted = isinstance(error, InterruptedTraining)
        note(str(error) if interrupted else f"error: {error}")
        sys.exit(error.exit_status)
    except BrokenPipeError:  # as Python's documentation of SIGPIPE advises
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UserError.exit_status)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        note(
            f"error: The memory of the device is too small ({reason_of(error)}): give a smaller "
            "--batch-size, or fewer inputs."
        )
        sys.exit(UserError.exit_status)
    except OSError as error:
        where = error.filename or "while reading or writing a file or a standard stream"
        note(f"error: {reason_of(error)}: {where}")
        sys.exit(UserError.exit_status)
    except KeyboardInterrupt:
        note("Interrupted.")
        sys.exit(InterruptedTraining.exit_status)
    sys.exit(0)


def run_command(command: Callable[[], None]) -> None:
    """Runs a command and ends the process; see `exiting_on_error`."""
    with exiting_on_error():
        command()
