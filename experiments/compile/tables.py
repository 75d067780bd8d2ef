"""The README's tables of what `experiments.compile` has found."""

from typing import Any

Record = dict[str, Any]


def format_tpu_table(report: Record) -> str:
    """Formats the Markdown table of the train steps that experiments.compile reports for TPUs."""
    kinds = report["published_peaks"]
    scaled = next(result for result in report["results"] if result.get("computing_share"))
    counts = scaled["computing_share"]["v5e"]
    header = ["experiment", "batch", "memory", "GFLOP", "collectives"]
    header += [f"{kind}, us" for kind in kinds] + [f"{int(count):,} chips" for count in counts]
    rows = [header, ["---"] * len(header)]
    for result in report["results"]:
        if result["work"] != "train" or "error" in result:
            continue
        collectives = sum(kind["bytes"] for kind in result["collectives"].values())
        rows.append(
            [
                result["experiment"],
                str(result["batch_size"]),
                f"{result['memory_bytes'] / 1e6:,.0f} MB",
                f"{result['flops'] / 1e9:.2f}",
                f"{collectives / 1e6:.1f} MB",
                *(f"{1e6 * result['least_seconds'][kind]:,.0f}" for kind in kinds),
                *(f"{share:.0%}" for share in result["computing_share"]["v5e"].values()),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def format_gpu_table(report: Record) -> str:
    """Formats the Markdown table of the train steps in bfloat16 that experiments.compile reports.

    Args:
      report: what it wrote for one GPU.
    """
    libraries = ("cuDNN convolution", "Triton product")
    rows = [
        f"| experiment | batch | memory | GFLOP | {' | '.join(libraries)} | others | least time |",
        f"|---|---|---|---|{'---|' * len(libraries)}---|---|",
    ]
    for result in report["results"]:
        if (result["work"], result["precision"]) != ("train", "bfloat16") or "error" in result:
            continue
        counts = {kind: entry["count"] for kind, entry in result["kernels"].items()}
        (seconds,) = result["least_seconds"].values()
        cells = [
            result["experiment"],
            str(result["batch_size"]),
            f"{result['memory_bytes'] / 1e6:,.0f} MB",
            f"{result['flops'] / 1e9:.2f}",
            *(str(counts.pop(kind, 0)) for kind in libraries),
            str(sum(counts.values())),
            f"{1e6 * seconds:,.0f} us",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
