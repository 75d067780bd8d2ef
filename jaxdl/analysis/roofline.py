"""Bounds the time of a compiled step from below by its arithmetic, memory traffic and collectives.

A step takes at least as long as the chip needs for its arithmetic, and at least as long as it
needs to move the bytes to and from memory (Williams, Waterman and Patterson 2009, "Roofline").
The time of its collectives is added to that unless they overlap with computation.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chip:
    """The published peaks of an accelerator.

    Attributes:
      flops: FLOP/s in bfloat16, without sparsity.
      bandwidth: bytes per second to and from its memory.
      interconnect: bytes per second to the other chips, over all links together, in one direction.
      memory: size of its memory in bytes.
    """

    flops: float
    bandwidth: float
    interconnect: float
    memory: float


# From Google Cloud's documentation of each chip: "System architecture", 2025.
TPUS = {
    "v5e": Chip(flops=197e12, bandwidth=819e9, interconnect=200e9, memory=16 * 2**30),
    "v5p": Chip(flops=459e12, bandwidth=2765e9, interconnect=600e9, memory=95 * 2**30),
    "v6e": Chip(flops=918e12, bandwidth=1638e9, interconnect=448e9, memory=32 * 2**30),
}

# From NVIDIA's data sheets, which add both directions of the interconnect. A T4 has no bfloat16:
# its peak is that of float16.
GPUS = {
    "h200": Chip(flops=989e12, bandwidth=4.8e12, interconnect=450e9, memory=141e9),
    "h100": Chip(flops=989e12, bandwidth=3.35e12, interconnect=450e9, memory=80e9),
    "a100": Chip(flops=312e12, bandwidth=2.039e12, interconnect=300e9, memory=80e9),
    "l4": Chip(flops=121e12, bandwidth=300e9, interconnect=32e9, memory=24e9),
    "t4": Chip(flops=65e12, bandwidth=320e9, interconnect=16e9, memory=16e9),
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
