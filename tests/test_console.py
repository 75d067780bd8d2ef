import pytest

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
