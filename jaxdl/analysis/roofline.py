"""Bounds the time of a compiled step from below by its arithmetic, memory traffic and collectives.

A step takes at least as long as the chip needs for its arithmetic, and at least as long as it
needs to move the bytes to and from memory (Williams, Waterman and Patterson 2009, "Roofline").
The time of its collectives is added to that unless they overlap with computation.
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
    """Holds the published peaks of an accelerator.

    Attributes:
      flops: FLOP/s in bfloat16.
      bandwidth: bytes per second to and from its memory.
      interconnect: bytes per second to the other chips, over all links together.
      memory: size of its memory in bytes.
    """

    flops: float
    bandwidth: float
    interconnect: float
    memory: float


# From Google Cloud's documentation of each chip: "System architecture", 2025.
CHIPS = {
    "v5e": Chip(flops=197e12, bandwidth=819e9, interconnect=200e9, memory=16 * 2**30),
    "v5p": Chip(flops=459e12, bandwidth=2765e9, interconnect=600e9, memory=95 * 2**30),
    "v6e": Chip(flops=918e12, bandwidth=1638e9, interconnect=448e9, memory=32 * 2**30),
}

# From NVIDIA's data sheet, without sparsity.
H200 = Chip(flops=989e12, bandwidth=4.8e12, interconnect=900e9, memory=141e9)


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


def describe_program(compiled: Any) -> dict[str, Any]:
    """Returns the memory traffic, the memory and the collectives of a program on each device.

    The body of a loop counts once. A loop over steps therefore gives the numbers of one step,
    plus those of what a call does once before the loop; a recurrence within the step gives the
    numbers of one time step only. Of a switch all branches count, of which one runs.
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
    """Returns the least time for the arithmetic or for the memory traffic, whichever is longer."""
    return max(flops / chip.flops, bytes_accessed / chip.bandwidth)


def seconds_of_all_reduce(num_bytes: float, chips: int, chip: Chip) -> float:
    """Returns the least time of an all-reduce of an array that each chip holds.

    Each chip must send and receive everything except its own share twice (Patarasuk and Yuan
    2009, section 3).
    """
    return 2 * (chips - 1) / chips * num_bytes / chip.interconnect


def scaling(
    flops: float, bytes_accessed: float, summed_bytes: float, chip: Chip, counts: tuple[int, ...]
) -> dict[int, float]:
    """Returns the share of time in which a chip computes, for each number of chips.

    This is weak scaling: the batch grows with the number of chips, so that the work of each
    chip and the arrays that they sum, the gradient and the statistics of BatchNorm, keep their
    sizes. Collectives are assumed to overlap with nothing; latency is neglected.

    Args:
      flops: FLOPs of a step on each chip.
      bytes_accessed: memory traffic of a step on each chip.
      summed_bytes: size of the arrays that are summed over all chips in a step.
      chip: kind of chip.
      counts: numbers of chips.
    """
    step = seconds_of_step(flops, bytes_accessed, chip)
    return {
        count: step / (step + seconds_of_all_reduce(summed_bytes, count, chip)) for count in counts
    }
