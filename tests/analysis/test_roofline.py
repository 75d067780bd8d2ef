import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.analysis.roofline import (
    CHIPS,
    Chip,
    count_bytes,
    count_collectives,
    describe_program,
    scaling,
    seconds_of_all_reduce,
    seconds_of_step,
)

PROGRAM = """
  %sum = f32[128,64]{1,0} all-reduce(%grads), channel_id=1, to_apply=%add
  %start = f32[16]{0} all-reduce-start(%bias), channel_id=2
  %done = f32[16]{0} all-reduce-done(%start)
  %two = (bf16[8,4]{1,0}, s32[]) all-gather(%a, %b), dimensions={0}
  %not = f32[128,64]{1,0} add(%sum, %sum), metadata={op_name="all-reduce"}
"""
CHIP = Chip(flops=1e12, bandwidth=1e9, interconnect=1e8, memory=1e9)


def test_collectives_are_counted_by_kind_and_asynchronous_ones_once():
    assert count_collectives(PROGRAM) == {
        "all-reduce": {"count": 2, "bytes": 4 * 128 * 64 + 4 * 16},
        "all-gather": {"count": 1, "bytes": 2 * 8 * 4 + 4},
    }


@pytest.mark.parametrize(
    ("shape", "size"), [("f32[]", 4), ("u8[3,5]{1,0}", 15), ("(bf16[2]{0}, f32[2]{0})", 12)]
)
def test_the_bytes_of_a_shape_are_those_of_all_its_arrays(shape, size):
    assert count_bytes(shape) == size


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


def test_a_compiled_program_is_described():
    compiled = jax.jit(lambda a, b: a @ b).lower(jnp.ones((64, 32)), jnp.ones((32, 16))).compile()
    described = describe_program(compiled)
    assert described["bytes_accessed"] >= 4 * (64 * 32 + 32 * 16 + 64 * 16)
    assert described["memory_bytes"] >= 4 * (64 * 32 + 32 * 16 + 64 * 16)
    assert described["collectives"] == {}


def test_the_chips_have_different_and_finite_peaks():
    assert len({chip.flops for chip in CHIPS.values()}) == len(CHIPS)
    assert all(np.isfinite([c.flops, c.bandwidth, c.interconnect]).all() for c in CHIPS.values())
