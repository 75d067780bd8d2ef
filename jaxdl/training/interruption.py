"""Ctrl-C and SIGTERM stop a training between two steps, not in the middle of one."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from jaxdl.errors import UserError
from jaxdl.runs.command_line import INTERRUPTED


class InterruptedTraining(UserError):
    """The user, or the machine about to go away, stopped the training."""

    exit_status = INTERRUPTED


@contextlib.contextmanager
def deferred_interruption() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether SIGINT or SIGTERM has come.

    A second signal acts at once, as it does outside. In a thread other than the main
    one, where Python takes no signals, the answer is always no.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return
    previous = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for kind, handler in previous.items():
            signal.signal(kind, handler)

    def receive(*_: object) -> None:
        received.set()
        restore()

    for kind in previous:
        signal.signal(kind, receive)
    try:
        yield received.is_set
    finally:
        restore()
