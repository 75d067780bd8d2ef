import contextlib
import os
import subprocess
import sys

import pytest
from hypothesis import given, strategies

from jaxdl import console


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 seconds"),
        (0.9, "1 second"),
        (99, "99 seconds"),
        (100, "2 minutes"),
        (5900, "98 minutes"),
        (9000, "2.5 hours"),
    ],
)
def test_a_duration_is_formatted_in_the_unit_that_fits(seconds, words):
    assert console.format_duration(seconds) == words


def test_plain_progress_shows_the_share_done_and_the_time_left(monkeypatch, capsys):
    clock = iter((0.0, 5.0, 10.0, 30.0, 35.0, 50.0))
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress("training", 100) as update:
        update(20, "compiling")
        update(20, "resumed")
        update(30, "fine")
        update(32, "too soon for another line")
        update(100, "done")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "training:  20%  resumed",
        "training:  30%  fine  2 minutes left",  # 10 of 100 took 20 s, so 70 take 140 s
        "training: 100%  done",
    ]


@given(strategies.text(strategies.characters(), max_size=20))
def test_what_is_printable_is_kept_and_the_rest_is_escaped(text):
    escaped = console.printable(text)
    escaped.encode()
    assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in escaped)
    if text.isprintable():
        assert escaped == text


def test_a_remark_is_one_line_that_does_not_act_on_a_terminal(capsys):
    console.note("error: a\x1b[31m\x9b2J\u202e\nb :cat: [bold]")
    assert capsys.readouterr().err == "error: a\\x1b[31m\\x9b2J\\u202e\\nb :cat: [bold]\n"


WITH_A_BAR = """
import time
from jaxdl.console import console, progress
with progress("training", 2) as update:
    for number in range(2):
        update(number, "a note")
        time.sleep(0.3)  # the bar is drawn meanwhile
        console.print(f"epoch {number}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_lines_replace_the_bar_that_is_on_the_same_terminal():
    ours, its = os.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", WITH_A_BAR]
    subprocess.run(command, stdout=its, stderr=its, env=environment, check=True)
    os.close(its)
    drawn = b""
    with contextlib.suppress(OSError):  # which Linux raises at the end
        while block := os.read(ours, 2**16):
            drawn += block
    assert b"a note" in drawn
    for number in (b"0", b"1"):
        assert drawn.split(b"epoch " + number)[0].endswith(b"\r\x1b[2K")
