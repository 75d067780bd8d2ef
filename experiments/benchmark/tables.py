"""Formats the result files of the benchmark as Markdown tables for the README."""

import numpy as np

from experiments.benchmark.comparison import compare_with_peers
from experiments.benchmark.processes import Record


def format_times_to_accuracy(report: Record) -> str:
    """Formats what --to-accuracy wrote: medians of the warm runs, and the cold one if steady."""
    rows = [
        "| model | here | test accuracy | in Keras | test accuracy | share of the time |",
        "|---|---|---|---|---|---|",
    ]
    for result in report["results"]:
        cells = [result["model"]]
        for name in ("ours", "keras"):
            seconds, cold = result[name]["seconds"], result[name]["cold_seconds"]
            warm = np.median(seconds) if seconds else None
            accuracy = f"{np.median(result[name]['test_accuracy']):.1%}" if seconds else ""
            cells += [_format_warm_and_cold(warm, cold, "{:.0f} s"), accuracy]
        shares = result["share_of_keras"], result["cold_share_of_keras"]
        cells.append(_format_warm_and_cold(*shares, "{:.2f}"))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _format_warm_and_cold(warm: float | None, cold: float | None, pattern: str) -> str:
    """Formats what was measured in steady runs; None where there was none."""
    cells = [] if warm is None else [pattern.format(warm)]
    return ", ".join(cells + ([] if cold is None else [f"cold {pattern.format(cold)}"]))


def format_speeds(report: Record) -> str:
    """Formats how many times as fast ours is as each peer, in its plain and in its best form."""
    comparisons = compare_with_peers(report["results"])
    peers = list(dict.fromkeys(comparison.peer for comparison in comparisons))
    header = ["model", "batch", "here, examples/s"]
    header += [f"{peer}, {form}" for peer in peers for form in ("plain form", "best form")]
    rows = [header, ["---"] * len(header)]
    for ours in (result for result in report["results"] if result["framework"] == "ours"):
        case = ours["model"], ours["batch_size"]
        of_case = {c.peer: c for c in comparisons if c.case == case}
        cells = [case[0], str(case[1]), f"{ours['examples_per_second']:,.0f}"]
        for peer in peers:
            comparison = of_case.get(peer)
            for form in ("plain", "best"):
                cells.append(_format_ratio(comparison and getattr(comparison, form), form))
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def format_pipelines(report: Record) -> str:
    """Formats the speeds of the input pipelines, and how many times as fast ours is as each."""
    rows = ["| pipeline | pictures/s per core | speed of ours relative to it |", "|---|---|---|"]
    for result in report["results"]:
        speed, ratio = pictures_per_core(report, result), result["ours_is_faster_by"]["median"]
        rows.append(f"| {result['framework']} | {speed:,.0f} | {ratio:.2f} |")
    return "\n".join(rows)


def pictures_per_core(report: Record, result: Record) -> float:
    """Returns how many pictures a second a core reads, in a result of a report."""
    return result["examples_per_second"] / report["environment"]["threads"]


def _format_ratio(result: Record | None, form: str) -> str:
    if not result:
        return ""
    ratio = f"{result['ours_is_faster_by']['median']:.2f}"
    return ratio if form == "plain" else f"{ratio} ({result['framework']})"
