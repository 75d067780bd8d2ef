import numpy as np
import pytest

from jaxdl.analysis.roofline import (
    GPUS,
    TPUS,
    Chip,
    scaling,
    seconds_of_all_reduce,
    seconds_of_step,
)

CHIP = Chip(flops=1e12, bandwidth=1e9, interconnect=1e8, memory=1e9)


def test_a_step_takes_the_longer_of_arithmetic_and_memory_traffic():
    assert seconds_of_step(2e12, 1e9, CHIP) == 2.0
    assert seconds_of_step(1e12, 3e9, CHIP) == 3.0


def test_an_all_reduce_sends_all_except_its_own_share_twice():
    assert seconds_of_all_reduce(1e8, 1, CHIP) == 0
    assert seconds_of_all_reduce(1e8, 4, CHIP) == pytest.approx(1.5)


def test_the_computing_share_falls_to_a_limit_with_the_number_of_chips():
    shares = scaling(1e12, 0, 1e8, CHIP, (1, 2, 4096))
    assert shares[1] == 1
    assert shares[2] == pytest.approx(1 / 2)
    assert shares[4096] == pytest.approx(1 / 3, abs=1e-3)


def test_the_peaks_are_finite_and_no_two_chips_are_equal():
    chips = [*TPUS.values(), *GPUS.values()]
    assert len(set(chips)) == len(chips)
    assert np.isfinite([[c.flops, c.bandwidth, c.interconnect, c.memory] for c in chips]).all()
