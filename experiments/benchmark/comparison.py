"""Compares ours with each peer: with its plain form, and with its best."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from experiments.benchmark.contestants import VARIANT, contestants_of
from experiments.benchmark.processes import Record


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The results of one peer in one case.

    Attributes:
      case: name of the model and batch size.
      peer: name of the peer.
      plain: result of its plain form, if that was timed.
      best: result of its fastest form.
    """

    case: tuple[str, int]
    peer: str
    plain: Record | None
    best: Record


def compare_with_peers(results: Sequence[Record]) -> list[Comparison]:
    """Finds the plain and the best form of each peer in each case.

    Args:
      results: results of `experiments.benchmark.race.summarise`, each with its "model".
    """
    forms: dict[tuple[tuple[str, int], str], list[Record]] = {}
    for result in results:
        peer = contestants_of(result["model"])[result["framework"]].peer
        if peer:
            case = result["model"], result["batch_size"]
            forms.setdefault((case, peer), []).append(result)
    return [
        Comparison(
            case,
            peer,
            next((r for r in of_peer if r["framework"] == plain_form(case[0], peer)), None),
            min(of_peer, key=lambda result: result["ours_is_faster_by"]["median"]),
        )
        for (case, peer), of_peer in forms.items()
    ]


def plain_form(model: str, peer: str) -> str:
    """Returns the name of the contestant that is the plain form of a peer."""
    return next(name for name, entry in contestants_of(model).items() if entry.peer == peer)


def geometric_mean(results: Sequence[Record]) -> float | None:
    """Returns the mean speed of ours relative to the best peer of each case; None without peers."""
    best: dict[tuple[str, int], float] = {}
    for comparison in compare_with_peers(results):
        if comparison.peer == VARIANT:
            continue
        ratio = comparison.best["ours_is_faster_by"]["median"]
        best[comparison.case] = min(ratio, best.get(comparison.case, ratio))
    return float(np.exp(np.mean(np.log(list(best.values()))))) if best else None
