import signal

import pytest


@pytest.fixture(scope="session", autouse=True)
def signals_as_on_a_terminal():
    """A job in the background of a shell starts with Ctrl-C ignored; here it must arrive."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
