import signal
import threading

import pytest

from jaxdl.errors import UserError
from jaxdl.training.interruption import InterruptedTraining, deferred_interruption

SIGNALS = pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture(autouse=True)
def handlers():
    """The handlers outside; that of SIGTERM raises here, because its default ends the tests."""

    def terminate(*_):
        raise SystemExit(143)

    previous = signal.signal(signal.SIGTERM, terminate)
    yield {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}
    signal.signal(signal.SIGTERM, previous)


@SIGNALS
def test_the_first_signal_is_deferred_and_the_second_acts_at_once(kind, handlers):
    with deferred_interruption() as interrupted:
        assert not interrupted()
        signal.raise_signal(kind)
        assert interrupted()
        with pytest.raises(handlers[kind]):
            signal.raise_signal(kind)
        assert interrupted()


@pytest.mark.parametrize("failure", [None, ValueError])
def test_the_previous_handlers_are_restored(failure):
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(kind) for kind in kinds]
    try:
        with deferred_interruption():
            assert all(signal.getsignal(k) is not h for k, h in zip(kinds, before, strict=True))
            if failure:
                raise failure
    except ValueError:
        pass
    assert [signal.getsignal(kind) for kind in kinds] == before


def test_in_another_thread_no_signal_is_deferred():
    answers = []

    def work():
        with deferred_interruption() as interrupted:
            answers.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


def test_an_interrupted_training_has_the_exit_status_of_ctrl_c():
    assert issubclass(InterruptedTraining, UserError)
    assert InterruptedTraining("").exit_status == 128 + signal.SIGINT


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interruption() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
