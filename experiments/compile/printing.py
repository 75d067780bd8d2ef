"""The lines that `experiments.compile` prints."""

from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]


def format_header(chips: Iterable[str]) -> str:
    """Formats the line above all programs."""
    return (
        f"{'experiment':<16}{'work':<9}{'precision':<10}{'batch':>6}{'memory':>10}{'GFLOP':>9}"
        f"{'traffic':>10}{'collectives':>18}{'kernels':>9}"
        + "".join(f"{name:>10}" for name in chips)
    )


def format_program(result: Record) -> str:
    """Formats one line: a program on each device, and the least time it takes there."""
    case = (
        f"{result['experiment']:<16}{result['work']:<9}{result['precision']:<10}"
        f"{result['batch_size']:>6}"
    )
    if "error" in result:
        return f"{case}  does not compile: {result['error']}"
    count = sum(kind["count"] for kind in result["collectives"].values())
    size = sum(kind["bytes"] for kind in result["collectives"].values())
    kernels = sum(kind["count"] for kind in result["kernels"].values())
    return (
        f"{case}{result['memory_bytes'] / 1e6:>7,.0f} MB{result['flops'] / 1e9:>9,.2f}"
        f"{result['bytes_accessed'] / 1e6:>7,.0f} MB{count:>8} x {size / 1e6:>4,.1f} MB"
        f"{kernels or '':>9}"
        + "".join(f"{1e6 * seconds:>7,.0f} us" for seconds in result["least_seconds"].values())
    )


def format_scaling(results: Sequence[Record]) -> list[str]:
    """Formats the fraction of its time that a chip computes, by the number of chips."""
    scaled = [result for result in results if result.get("computing_share")]
    if not scaled:
        return []
    kind, counts = next(iter(scaled[0]["computing_share"].items()))
    header = f"computing, {kind}, the batch growing with the chips: "
    lines = [header + "".join(f"{count:>8,} chips" for count in counts)]
    for result in scaled:
        shares = result["computing_share"][kind].values()
        case = f"{result['experiment']} {result['precision']}"
        lines.append(f"{case:<{len(header)}}" + "".join(f"{share:>14.0%}" for share in shares))
    return lines
