"""How the scores of a summary are printed."""

from typing import Any

SHARES = ("accuracy", "precision", "recall", "share")


def format_score(name: str, value: float) -> str:
    """Formats an accuracy or another fraction as a percentage, any other score as a number."""
    return f"{100 * value:.2f} %" if name.endswith(SHARES) else f"{value:.4f}"


def format_average(name: str, average: dict[str, Any]) -> str:
    """Formats "mean" ± "std" over seeds, or the score of a single one, whose "std" is None."""
    mean = format_score(name, average["mean"])
    if average["std"] is None:
        return mean
    std = format_score(name, average["std"])
    return f"{mean.removesuffix(' %')} ± {std}"
