"""Ctrl-C, SIGTERM and a closed terminal stop a training between two calls to the device."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from jaxdl.errors import UserError

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class InterruptedTraining(UserError):
    """The user, or the preemption of the machine, stopped the training."""

    exit_status = 130  # as shells report a program stopped by Ctrl-C


@contextlib.contextmanager
def deferred_interruption() -> Iterator[Callable[[], bool]]:
    """Defers `SIGNALS`: yields a function that tells whether one of them has arrived.

    A second signal acts at once, as it would outside this context. In a thread other than the
    main one, where Python receives no signals, the answer is always no.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return
    kinds = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    previous = {kind: signal.getsignal(kind) for kind in kinds}
    previous = {kind: old for kind, old in previous.items() if old != signal.SIG_IGN}

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
