"""Figures of a run on texts, each a PNG file."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jaxdl.runs.figures import RIGHT, WRONG, save_figure

TEXTS_SHOWN = 4
CHARACTERS_SHOWN = 520
CHARACTERS_PER_LINE = 95


def confident_texts(
    texts: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Draws the texts of the most confident predictions, right and wrong, in excerpts.

    Args:
      texts: texts of the examples.
      labels: int (examples,).
      probabilities: float (examples, classes).
      class_names: names of the classes, in the order of the labels.
      path: where to write the PNG file.
    """
    predicted, confidence = probabilities.argmax(-1), probabilities.max(-1)
    figure = Figure(figsize=(17, 9.5), layout="constrained")
    for axes, right in zip(figure.subplots(1, 2), (True, False), strict=True):
        candidates = np.flatnonzero((predicted == labels) == right)
        chosen = candidates[np.argsort(-confidence[candidates])][:TEXTS_SHOWN]
        axes.axis("off")
        axes.set_title("Most confident and right" if right else "Most confident and wrong")
        for row, example in enumerate(chosen):
            top = 1 - row / TEXTS_SHOWN
            verdict = f"{class_names[predicted[example]]}, {confidence[example]:.1%}"
            if not right:
                verdict += f"; the label is {class_names[labels[example]]}"
            plain = {"va": "top", "parse_math": False}
            axes.text(0, top, verdict, color=RIGHT if right else WRONG, weight="bold", **plain)
            axes.text(0, top - 0.03, _excerpt(texts[example]), fontsize=9, **plain)
    save_figure(figure, path)


def gradient_by_distance(norms: Mapping[str, np.ndarray], path: Path) -> None:
    """Draws how the gradient of the last hidden state shrinks with the distance of the input.

    Args:
      norms: for each cell, the norm of the gradient of the last hidden state with respect to the
        input at each time step before, float (distance,), nearest first.
      path: where to write the PNG file.
    """
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, values in norms.items():
        axes.plot(values / values[0], label=name)
    axes.set_yscale("log")
    axes.set(
        xlabel="time steps back",
        ylabel="gradient norm, relative to the last time step",
        title="The vanishing gradient",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)


def strongest_ngrams(
    ngrams: Mapping[str, Sequence[tuple[str, float]]], title: str, path: Path
) -> None:
    """Draws the n-grams that speak most for each class, in a panel per class.

    Args:
      ngrams: for each class the n-grams and how much they add to its logit, the strongest first.
      title: title of the figure.
      path: where to write the PNG file.
    """
    longest = max(map(len, ngrams.values()))
    figure = Figure(figsize=(4.5 * len(ngrams), 1 + 0.25 * longest), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, len(ngrams), squeeze=False)[0]
    for axes, (name, strongest) in zip(panels, ngrams.items(), strict=True):
        words, weights = zip(*reversed(strongest), strict=True)
        places = range(len(words))
        axes.barh(places, weights)
        axes.set_yticks(places, words, fontsize=8, parse_math=False)
        axes.set_title(f"for {name}", parse_math=False)
    figure.supxlabel("added to the logit, before the text is scaled to unit length")
    save_figure(figure, path)


def attention_map(words: Sequence[str], weights: np.ndarray, path: Path) -> None:
    """Draws which words each word attends to, in a panel for each head.

    Args:
      words: words of a text, as the tokenizer splits it.
      weights: float (heads, words, words); a row sums to 1.
      path: where to write the PNG file.
    """
    heads = len(weights)
    side = 1.5 + 0.22 * len(words)
    figure = Figure(figsize=(side * heads, side + 0.5), layout="constrained")
    figure.suptitle("Attention of the last block: from each row to its columns")
    ticks = range(len(words))
    for head, axes in enumerate(figure.subplots(1, heads, squeeze=False)[0]):
        axes.imshow(weights[head], cmap="viridis", vmin=0)
        axes.set_xticks(ticks, words, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(ticks, words, fontsize=8, parse_math=False)
        axes.set_title(f"head {head + 1}")
    save_figure(figure, path)


def _excerpt(text: str) -> str:
    """Shortens a text and breaks it into lines."""
    shortened = textwrap.shorten(text.replace("<br />", " "), CHARACTERS_SHOWN, placeholder=" ...")
    return "\n".join(textwrap.wrap(shortened, CHARACTERS_PER_LINE))
