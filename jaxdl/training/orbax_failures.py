"""What Orbax raises, logs and prints when it cannot read or write a checkpoint."""

import contextlib
import errno
import gc
import io
import logging
import time
import warnings
from collections.abc import Iterator

PASSING_ERRORS = (errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.ESTALE)
PASSING_STATUSES = ("RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "UNAVAILABLE", "Out of memory")
SECONDS_FOR_ABANDONED_WORK = 0.3


def silence_orbax() -> None:
    """Suppresses what Orbax logs: what matters it also raises, and jaxdl reports that.

    Python's own warnings of writes that Orbax abandoned, which may come only when the program ends,
    are suppressed as well.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", r"coroutine '.*' was never awaited", RuntimeWarning)


def is_passing(error: Exception) -> bool:
    """Whether an error is a passing problem of the machine, and says nothing about the files."""
    if isinstance(error, OSError):
        return error.errno in PASSING_ERRORS
    return isinstance(error, MemoryError) or any(s in str(error) for s in PASSING_STATUSES)


@contextlib.contextmanager
def quiet_failure() -> Iterator[None]:
    """Suppresses what is printed by the reads or writes that Orbax abandons when it fails."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            yield
        except BaseException as error:  # a second Ctrl-C, too
            error.__traceback__ = error.__context__ = error.__cause__ = None  # they hold that work
            gc.collect()
            time.sleep(SECONDS_FOR_ABANDONED_WORK)
            raise
