"""What a compiled step must move and compute, and so how long a chip needs at least.

A step takes at least as long as the chip needs for its arithmetic, and as it needs to move its
bytes to and from memory (Williams, Waterman and Patterson 2009, "Roofline"); and, unless they
overlap, as long as its messages to the other chips take besides.
"""

import collections
import dataclasses
import math
import re
from typing import Any

BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
ARRAY = re.compile(r"\b(\w+)\[([\d,]*)\]")


@dataclasses.dataclass(frozen=True)
class Chip:
    """Published peaks of an accelerator.

    Attributes:
      flops: multiplications and additions a second, in bfloat16.
      bandwidth: bytes a second to and from its memory.
      interconnect: bytes a second to the other chips, all links together.
      memory: bytes.
    """

    flops: float
    bandwidth: float
    interconnect: float
    memory: float


# Google Cloud's documentation of each: "System architecture", 2025.
CHIPS = {
    "v5e": Chip(flops=197e12, bandwidth=819e9, interconnect=200e9, memory=16 * 2**30),
    "v5p": Chip(flops=459e12, bandwidth=2765e9, interconnect=600e9, memory=95 * 2**30),
    "v6e": Chip(flops=918e12, bandwidth=1638e9, interconnect=448e9, memory=32 * 2**30),
}


def count_collectives(program: str) -> dict[str, dict[str, int]]:
    """The messages of a compiled program, by kind: how many, and the bytes of their results.

    What stands in a loop counts once, so a loop over steps gives the messages of one.

    Args:
      program: in XLA's words.
    """
    # An asynchronous one has a start and an end; the end has the shape of the result.
    pattern = re.compile(rf"= (.*?) ({'|'.join(COLLECTIVES)})(?:-done)?\(")
    found: dict[str, dict[str, int]] = collections.defaultdict(lambda: {"count": 0, "bytes": 0})
    for line in program.splitlines():
        match = pattern.search(line)
        if match:
            found[match[2]]["count"] += 1
            found[match[2]]["bytes"] += count_bytes(match[1])
    return dict(found)


def count_bytes(shape: str) -> int:
    """Bytes of the arrays that a shape in XLA's words names, like "f32[8,16]{1,0}"."""
    return sum(
        BYTES[dtype] * math.prod(int(size) for size in sizes.split(",") if size)
        for dtype, sizes in ARRAY.findall(shape)
        if dtype in BYTES
    )


def describe_program(compiled: Any) -> dict[str, Any]:
    """Of a compiled program, on each device: bytes of a step, memory, messages.

    What stands in a loop counts once: so a loop over steps gives those of one step, besides
    what a call does once before it; but of a recurrence within the step, those of one moment.
    """
    memory = compiled.memory_analysis()
    return {
        "bytes_accessed": float(compiled.cost_analysis()["bytes accessed"]),
        "memory_bytes": memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes,
        "collectives": count_collectives(compiled.as_text()),
    }


def seconds_of_step(flops: float, bytes_accessed: float, chip: Chip) -> float:
    """The least time for arithmetic and memory, whichever takes longer."""
    return max(flops / chip.flops, bytes_accessed / chip.bandwidth)


def seconds_of_all_reduce(num_bytes: float, chips: int, chip: Chip) -> float:
    """The least time in which each of so many chips has the sum of all their arrays.

    Each must send and receive all but its share twice (Patarasuk and Yuan 2009, section 3).
    """
    return 2 * (chips - 1) / chips * num_bytes / chip.interconnect


def scaling(
    flops: float, bytes_accessed: float, message_bytes: float, chip: Chip, counts: tuple[int, ...]
) -> dict[int, float]:
    """Which share of its time each of many chips computes, if messages overlap with nothing.

    The batch grows with the number of chips, so that each keeps its share; what they sum, a
    gradient and the statistics of BatchNorm, keeps its size. How long the first byte takes
    is left out.

    Args:
      flops: of a step on each chip.
      bytes_accessed: likewise.
      message_bytes: of the arrays that are summed over all chips in a step.
      chip: what kind.
      counts: numbers of chips.
    """
    step = seconds_of_step(flops, bytes_accessed, chip)
    return {
        count: step / (step + seconds_of_all_reduce(message_bytes, count, chip)) for count in counts
    }
