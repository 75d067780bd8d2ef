"""Figures that compare runs, or explain predictions for images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from jaxdl.runs.figures import save_figure

IMAGES_A_ROW = 8


def compared_curves(records: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Draws the training loss and the accuracy of several runs over the epochs.

    The accuracy is that on the validation split, or without one on the training batches.

    Args:
      records: the lines of metrics.jsonl of each run, by its name.
      path: where to write the PNG file.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    validated = any("validation_accuracy" in line for lines in records.values() for line in lines)
    keys = ("train_loss", "validation_accuracy" if validated else "train_accuracy")
    for axes, key in zip(figure.subplots(1, 2), keys, strict=True):
        for name, lines in records.items():
            epochs = [line for line in lines if "epoch" in line and key in line]
            numbers = [line["epoch"] for line in epochs]
            axes.plot(numbers, [line[key] for line in epochs], marker="o", markersize=3, label=name)
        axes.set(xlabel="epoch", ylabel=key.replace("_", " "))
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)


def attention_maps(
    images: np.ndarray, attention: np.ndarray, captions: Sequence[str], path: Path
) -> None:
    """Draws images, and below each the same image, brightest where it contributes most.

    Args:
      images: uint8 (examples, height, width, channels).
      attention: float (examples, rows, columns), how much each place contributes.
      captions: caption of each example.
      path: where to write the file, PNG or JPEG.
    """
    columns = min(IMAGES_A_ROW, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(1.7 * columns, 3.6 * rows), layout="constrained")
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for example, (image, weights, caption) in enumerate(
        zip(images, attention, captions, strict=True)
    ):
        row, column = divmod(example, columns)
        height, width, _ = image.shape
        contrast = (weights - weights.min()) / max(np.ptp(weights), np.finfo(np.float32).tiny)
        mask = Image.fromarray(contrast.astype(np.float32))
        mask = np.asarray(mask.resize((width, height), Image.Resampling.BILINEAR))
        lit = image * (0.15 + 0.85 * mask[..., None])
        for axes, picture in zip(grid[2 * row : 2 * row + 2, column], (image, lit), strict=True):
            axes.imshow(picture.astype(np.uint8), cmap="gray", vmin=0, vmax=255)
        grid[2 * row, column].set_title(caption, fontsize=8, parse_math=False)
    save_figure(figure, path)
