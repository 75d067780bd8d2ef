import pytest

from experiments.benchmark import steady
from experiments.benchmark.steady import FIRST_PRODUCTS, TRIES, Yardstick


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that only waiting advances."""
    now = [0.0]
    monkeypatch.setattr(steady.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(steady.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def yardstick_of(*product_seconds):
    """Makes a yardstick whose first products take a second each, and the others what is given."""
    seconds = iter([1.0] * FIRST_PRODUCTS + list(product_seconds))
    return Yardstick(lambda: next(seconds), flops=40)


def repeat(yardstick):
    return yardstick.repeat(lambda: {"seconds_each": 7})


def test_a_disturbed_turn_is_repeated_and_kept_apart():
    yardstick = yardstick_of(1.0, 1.2, 1.0, 1.1)
    result = repeat(yardstick)
    assert [turn["product_seconds"] for turn in result] == [1.2, 1.1]
    assert yardstick.is_steady(result)
    assert not yardstick.is_steady(result[:1])


def test_a_turn_waits_until_the_machine_is_quiet(clock):
    result = repeat(yardstick_of(*[1.3] * 20, 1.0, 1.0))
    assert len(result) == 1
    assert clock[0] == 20


def test_waiting_ends(clock):
    yardstick = yardstick_of(*[1.3] * 1000)
    for turns in (1, 2):
        assert len(repeat(yardstick)) == TRIES
        assert clock[0] == turns * steady.PATIENCE


def test_a_turn_may_wait_for_as_long_as_those_before_did_not(clock):
    yardstick = yardstick_of(*[1.0] * 4, *[1.3] * 80, 1.0, 1.0)
    for _ in range(2):
        repeat(yardstick)
    assert clock[0] == 0
    (turn,) = repeat(yardstick)
    assert turn["product_seconds"] == 1.0
    assert clock[0] == 80


def test_a_faster_product_shows_that_earlier_turns_were_disturbed():
    yardstick = yardstick_of(1.0, 1.0, 0.5, 0.5)
    before = repeat(yardstick)
    assert yardstick.is_steady(before)
    assert yardstick.is_steady(repeat(yardstick))
    assert not yardstick.is_steady(before)


def test_the_peak_is_that_of_the_fastest_product():
    yardstick = yardstick_of(1.0, 0.92)
    assert yardstick.peak_flops == 40
    repeat(yardstick)
    assert yardstick.peak_flops == pytest.approx(40 / 0.92)
