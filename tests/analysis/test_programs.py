import jax
import jax.numpy as jnp
import pytest

from jaxdl.analysis.programs import count_bytes, count_collectives, count_kernels, describe_program

PROGRAM = """
  %sum = f32[128,64]{1,0} all-reduce(%grads), channel_id=1, to_apply=%add
  %start = f32[16]{0} all-reduce-start(%bias), channel_id=2
  %done = f32[16]{0} all-reduce-done(%start)
  %two = (bf16[8,4]{1,0}, s32[]) all-gather(%a, %b), dimensions={0}
  %not = f32[128,64]{1,0} add(%sum, %sum), metadata={op_name="all-reduce"}
"""
OF_A_GPU = """
%fused_add (a: f32[8]) -> f32[8] {
  ROOT %add.1 = f32[8]{0} copy(%a)
}

%region_0.1 (carry: (s32[], f32[8])) -> (s32[], f32[8]) {
  %gemm = bf16[4,8]{1,0} fusion(%x), backend_config={"kind":"__triton_nested_gemm_fusion"}
  %conv = (f32[8]{0}, u8[0]{0}) custom-call(%x), custom_call_target="__cudnn$convForward"
  %lt = f32[8]{0} custom-call(%x), custom_call_target="__cublas$lt$matmul"
  %get = f32[8]{0} get-tuple-element(%conv), index=0
  %loop = f32[8]{0} fusion(%get), kind=kLoop, calls=%fused_add
  ROOT %pair = (s32[], f32[8]{0}) tuple(%i, %loop)
}

%region_1.1 (carry: (s32[], f32[8])) -> pred[] {
  ROOT %less = pred[] fusion(%i), kind=kLoop
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %copy.1 = f32[8]{0} copy(%x)
  ROOT %while = (s32[], f32[8]{0}) while(%start), condition=%region_1.1, body=%region_0.1
}
"""


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


def test_kernels_are_counted_by_kind_but_not_what_is_fused_into_them():
    assert count_kernels(OF_A_GPU) == {
        "Triton product": {"count": 1, "bytes": 64},
        "cuDNN convolution": {"count": 1, "bytes": 32},
        "cuBLAS product": {"count": 1, "bytes": 32},
        "fusion": {"count": 1, "bytes": 32},
        "copy": {"count": 1, "bytes": 32},
    }


def test_a_compiled_program_is_described():
    compiled = jax.jit(lambda a, b: a @ b).lower(jnp.ones((64, 32)), jnp.ones((32, 16))).compile()
    described = describe_program(compiled)
    assert described["bytes_accessed"] >= 4 * (64 * 32 + 32 * 16 + 64 * 16)
    assert described["memory_bytes"] >= 4 * (64 * 32 + 32 * 16 + 64 * 16)
    assert described["collectives"] == {}
    assert described["kernels"] == {}
