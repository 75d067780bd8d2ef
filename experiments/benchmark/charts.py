"""Draws the results of a benchmark as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.benchmark.comparison import Comparison, compare_with_peers
from experiments.benchmark.processes import Record
from jaxdl.runs.figures import save_figure

BAR = 0.8
COLOURS = matplotlib.colormaps["tab20"].colors  # in pairs: dark, light


def compare_models(results: Sequence[Record], path: Path) -> None:
    """Draws for each model how many times as fast ours is as each peer's plain and best form.

    The error bars span the rounds. Without peers nothing is drawn.

    Args:
      results: results of `experiments.benchmark.race.summarise`, each with its "model".
      path: path of the PNG file.
    """
    comparisons = compare_with_peers(results)
    peers = list(dict.fromkeys(comparison.peer for comparison in comparisons))
    if not peers:
        return
    cases = list(dict.fromkeys(comparison.case for comparison in comparisons))
    bars = {
        (peer, form): _results_of(comparisons, peer, form)
        for peer in peers
        for form in ("plain", "best")
    }
    bars = {names: chosen for names, chosen in bars.items() if chosen}
    height = BAR / len(bars)
    figure = Figure(figsize=(9, 1.5 + 0.8 * len(cases)), layout="constrained")
    axes = figure.subplots()
    for number, ((peer, form), chosen) in enumerate(bars.items()):
        places = [cases.index(case) + number * height for case in chosen]
        ratios = [result["ours_is_faster_by"] for result in chosen.values()]
        medians = np.array([ratio["median"] for ratio in ratios])
        spread = [
            medians - [ratio["lowest"] for ratio in ratios],
            np.array([ratio["highest"] for ratio in ratios]) - medians,
        ]
        colour = COLOURS[2 * peers.index(peer) + (form == "plain")]
        axes.barh(
            *(places, medians, height),
            xerr=spread,
            label=f"{peer}, {form} form",
            color=colour,
            error_kw={"alpha": 0.5},
        )
        for place, median, result in zip(places, medians, chosen.values(), strict=True):
            name = f", {result['framework']}" if form == "best" else ""
            axes.text(median, place, f" {median:.2f}{name}", va="bottom", fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    names = [f"{model}, batch {batch_size}" for model, batch_size in cases]
    axes.set_yticks(np.arange(len(cases)) + BAR / 2 - height / 2, names)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="speed relative to the peer")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", alpha=0.3)
    axes.margins(y=0.01)
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    save_figure(figure, path)


def _results_of(
    comparisons: Sequence[Comparison], peer: str, form: str
) -> dict[tuple[str, int], Record]:
    """Returns the results of a form by case; the plain form's only where another form is better."""
    results = {c.case: (c.plain, c.best) for c in comparisons if c.peer == peer}
    if form == "best":
        return {case: best for case, (_, best) in results.items()}
    return {case: plain for case, (plain, best) in results.items() if plain not in (None, best)}


def compare_batch_sizes(results: Sequence[Record], path: Path) -> None:
    """Draws for each model the throughput of each framework over the batch size.

    Without results nothing is drawn.

    Args:
      results: as in `compare_models`.
      path: path of the PNG file.
    """
    models = list(dict.fromkeys(result["model"] for result in results))
    if not models:
        return
    figure = Figure(figsize=(4.5 * len(models), 4), layout="constrained")
    for axes, model in zip(figure.subplots(1, len(models), squeeze=False)[0], models, strict=True):
        for framework in dict.fromkeys(result["framework"] for result in results):
            chosen = [r for r in results if (r["model"], r["framework"]) == (model, framework)]
            sizes = [r["batch_size"] for r in chosen]
            axes.plot(sizes, [r["examples_per_second"] for r in chosen], "o-", label=framework)
        axes.set(xscale="log", yscale="log", title=model)
        axes.set(xlabel="batch size", ylabel="examples/s")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    save_figure(figure, path)
