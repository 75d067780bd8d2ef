"""A figure of a data set: its class balance, and samples of its images or lengths of its texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxdl.runs.figures import TRAIN, save_figure

CLASSES_SHOWN, SAMPLES_OF_A_CLASS = 20, 10
LONGEST_NAME = 24


def dataset_overview(
    examples: dict[str, np.ndarray], class_names: Sequence[str], path: Path
) -> None:
    """Draws the class balance of a split, and samples of its images or the lengths of its texts.

    Args:
      examples: "image", uint8 (examples, height, width, channels), or "text", an object array
        (examples,) of str; and "label", int (examples,).
      class_names: names of the classes, in the order of the labels.
      path: where to write the file, PNG or JPEG.
    """
    labels = examples["label"]
    counts = np.bincount(labels, minlength=len(class_names))
    shown = np.argsort(-counts, kind="stable")[:CLASSES_SHOWN]
    figure = Figure(figsize=(13, 1.5 + 0.4 * len(shown)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    names = [_shorten(class_names[label]) for label in shown]
    left.barh(range(len(shown)), counts[shown], color=TRAIN)
    left.set_yticks(range(len(shown)), names, parse_math=False)
    left.invert_yaxis()
    more = f", the largest {len(shown)} of {len(counts):,}" if len(shown) < len(counts) else ""
    left.set_title(f"Training examples of each class{more}")
    if "image" in examples:
        _draw_samples(right, examples["image"], labels, shown)
    else:
        _draw_lengths(right, examples["text"])
    save_figure(figure, path)


def _draw_samples(axes: Axes, images: np.ndarray, labels: np.ndarray, shown: np.ndarray) -> None:
    _, height, width, channels = images.shape
    rows = [np.flatnonzero(labels == label)[:SAMPLES_OF_A_CLASS] for label in shown]
    columns = max(map(len, rows))
    canvas = np.full((len(shown) * height, columns * width, channels), 255, images.dtype)
    for row, numbers in enumerate(rows):
        for column, image in enumerate(images[numbers]):
            top, left = row * height, column * width
            canvas[top : top + height, left : left + width] = image
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255, aspect="auto")
    axes.axis("off")
    axes.set_title("The first of each class")


def _draw_lengths(axes: Axes, texts: np.ndarray) -> None:
    lengths = np.array([max(1, len(text.split())) for text in texts])
    edges = np.unique(np.geomspace(1, lengths.max() + 1, 40).round())
    axes.hist(lengths, bins=edges, color=TRAIN)
    axes.set_xscale("log")
    median, largest = int(np.median(lengths)), int(np.quantile(lengths, 0.95))
    axes.axvline(median, color="black", linewidth=1)
    axes.set(
        xlabel="words in a text",
        ylabel="texts",
        title=f"Half of the texts have up to {median:,} words, 95 % up to {largest:,}",
    )


def _shorten(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."
