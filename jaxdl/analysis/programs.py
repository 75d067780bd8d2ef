"""What a compiled program does: its memory, its memory traffic, its collectives, its kernels."""

import collections
import math
import re
from typing import Any

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
ARRAY = re.compile(r"\b(\w+)\[([\d,]*)\]")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
CALLED = re.compile(r"(?:calls|to_apply|condition)=%([\w.\-]+)")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%[\w.\-]+ = (.*?) ([a-z][a-z\-]*)\(")
KERNELS = (
    ("cuDNN convolution", re.compile(r'custom_call_target="__cudnn\$conv')),
    ("cuDNN attention", re.compile(r'custom_call_target="__cudnn\$fmha')),
    ("cuBLAS product", re.compile(r'custom_call_target="__cublas')),
    ("Triton product", re.compile(r'"kind":"__triton_\w*gemm')),
    ("other library", re.compile(r"custom_call_target=")),
)
"""Kinds of library kernels on a GPU, each with a pattern of their lines in a program."""
LAUNCHED = ("fusion", "custom-call", "copy", "sort", "scatter", "dot", "convolution", "reduce")


def count_collectives(program: str) -> dict[str, dict[str, int]]:
    """Returns the "count" of the collectives of each kind and the "bytes" of their results.

    The body of a loop counts once, so a loop over steps gives the collectives of one step.

    Args:
      program: text of the compiled program in HLO.
    """
    # An asynchronous collective has a start and a done; done has the shape of the result.
    pattern = re.compile(rf"= (.*?) ({'|'.join(COLLECTIVES)})(?:-done)?\(")
    found: dict[str, dict[str, int]] = collections.defaultdict(lambda: {"count": 0, "bytes": 0})
    for line in program.splitlines():
        match = pattern.search(line)
        if match:
            found[match[2]]["count"] += 1
            found[match[2]]["bytes"] += count_bytes(match[1])
    return dict(found)


def count_bytes(shape: str) -> int:
    """Returns the bytes of the arrays in a shape in HLO, like "f32[8,16]{1,0}"."""
    return sum(
        BYTES[dtype] * math.prod(int(size) for size in sizes.split(",") if size)
        for dtype, sizes in ARRAY.findall(shape)
        if dtype in BYTES
    )


def count_kernels(program: str) -> dict[str, dict[str, int]]:
    """Returns the "count" of the kernels of each kind that a GPU launches, and the "bytes" written.

    Kernels that are from no library are named after their operation in HLO, such as "fusion". As
    with collectives, the body of a loop counts once.

    Args:
      program: text of the program, compiled for a GPU, in HLO.
    """
    fused = set(CALLED.findall(program))
    found: dict[str, dict[str, int]] = collections.defaultdict(lambda: {"count": 0, "bytes": 0})
    inside = ""
    for line in program.splitlines():
        begins = COMPUTATION.match(line)
        inside = begins[1] if begins else inside
        instruction = INSTRUCTION.match(line)
        if instruction and inside not in fused and instruction[2] in LAUNCHED:
            kinds = (kind for kind, pattern in KERNELS if pattern.search(line))
            kind = next(kinds, instruction[2])
            found[kind]["count"] += 1
            found[kind]["bytes"] += count_bytes(instruction[1])
    return dict(found)


def describe_program(compiled: Any, for_gpu: bool = False) -> dict[str, Any]:
    """Returns the memory, the memory traffic, the collectives and the kernels of a program.

    All numbers are per device. The body of a loop counts once. A loop over steps therefore gives
    the numbers of one step, plus those of what a call does once before the loop; a recurrence
    within the step gives the numbers of one time step only. All branches of a switch count, though
    only one of them runs.

    Args:
      compiled: the program.
      for_gpu: whether it is for a GPU, for which XLA does not report the memory traffic: it is
        estimated as twice the bytes that the kernels write.

    Returns:
      "memory_bytes", "bytes_accessed", "collectives", and "kernels", empty except for a GPU.
    """
    memory, program = compiled.memory_analysis(), compiled.as_text()
    kernels = count_kernels(program) if for_gpu else {}
    if for_gpu:
        accessed = 2.0 * sum(kind["bytes"] for kind in kernels.values())
    else:
        accessed = float(compiled.cost_analysis()["bytes accessed"])
    return {
        "bytes_accessed": accessed,
        "memory_bytes": memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes,
        "collectives": count_collectives(program),
        "kernels": kernels,
    }
