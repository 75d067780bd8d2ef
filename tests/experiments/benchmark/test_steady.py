from experiments.benchmark.steady import RECENT, TRIES, Yardstick, is_steady


def yardstick_of(*product_seconds):
    """Makes a yardstick whose first products take a second each, and the others what is given."""
    seconds = iter([1.0] * RECENT + list(product_seconds))
    return Yardstick(lambda: next(seconds), flops=40)


def repeat(yardstick):
    return yardstick.repeat(lambda: {"seconds_each": 7})


def test_a_disturbed_turn_is_repeated_and_kept_apart():
    result = repeat(yardstick_of(1.0, 1.2, 1.1, 1.0))
    assert [turn["product_seconds"] for turn in result] == [1.2, 1.2, 1.1]
    assert [turn["steady"] for turn in result] == [False, False, True]
    assert is_steady(result)
    assert not is_steady(result[:2])


def test_a_slow_drift_of_the_machine_disturbs_nothing():
    products = [1.0 + 0.005 * number for number in range(80)]
    yardstick = yardstick_of(*products)
    assert all(len(repeat(yardstick)) == 1 for _ in range(40))


def test_contention_that_lasts_never_becomes_usual():
    yardstick = yardstick_of(*[1.6] * 100)
    for _ in range(10):
        result = repeat(yardstick)
        assert len(result) == TRIES
        assert not is_steady(result)


def test_the_peak_is_that_of_the_fastest_product():
    yardstick = yardstick_of(1.0, 0.8)
    assert yardstick.peak_flops == 40
    repeat(yardstick)
    assert yardstick.peak_flops == 50
