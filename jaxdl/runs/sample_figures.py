"""Figures of a generator: samples, how they improve, interpolations, nearest neighbours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from PIL import Image

from jaxdl.data.pictures import decoding
from jaxdl.runs.figures import (
    DOTS_PER_INCH,
    NEUTRAL,
    TRAIN,
    VALIDATION,
    plot_epochs,
    save_figure,
    split_records,
)

SCALE = 2
MARGIN = 2
FRAME_MILLISECONDS = 400


def sample_grid(images: np.ndarray, path: Path, columns: int = 8) -> None:
    """Draws images in rows, each pixel doubled, without captions.

    Args:
      images: uint8 (samples, height, width, channels).
      path: where to write the image file.
      columns: number of images in a row.
    """
    framed = np.pad(images, ((0, -len(images) % columns), (MARGIN, 0), (MARGIN, 0), (0, 0)))
    _, height, width, channels = framed.shape
    rows = framed.reshape(-1, columns, height, width, channels).swapaxes(1, 2)
    canvas = rows.reshape(-1, columns * width, channels)
    canvas = np.pad(canvas, ((0, MARGIN), (0, MARGIN), (0, 0)))
    canvas = canvas.repeat(SCALE, 0).repeat(SCALE, 1)
    Image.fromarray(canvas[..., 0] if channels == 1 else canvas).save(path)


def side_by_side(grids: dict[str, Path], path: Path) -> None:
    """Draws several grids of samples beside each other, each under its title.

    Args:
      grids: PNG files that `sample_grid` wrote, by title.
      path: where to write the PNG file.
    """
    pictures = []
    for grid in grids.values():
        with decoding(grid, ["PNG"]) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    widths = [picture.shape[1] for picture in pictures]
    size = (sum(widths) / DOTS_PER_INCH, max(map(len, pictures)) / DOTS_PER_INCH + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    row = figure.subplots(1, len(grids), width_ratios=widths, squeeze=False)[0]
    for axes, title, picture in zip(row, grids, pictures, strict=True):
        axes.imshow(picture)
        axes.set_title(title, fontsize=9)
        axes.axis("off")
    save_figure(figure, path)


def animation(frames: Sequence[Path], path: Path) -> None:
    """Joins PNG files into an endless GIF, in which the last one is shown for longer."""
    pictures = []
    for frame in frames:
        with decoding(frame, ["PNG"]) as picture:
            pictures.append(picture.copy())
    first, *others = pictures
    durations = [FRAME_MILLISECONDS] * len(others) + [5 * FRAME_MILLISECONDS]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def neighbours(samples: np.ndarray, nearest: np.ndarray, path: Path) -> None:
    """Draws samples in one row, and under each the training example nearest to it.

    Args:
      samples: uint8 (samples, height, width, channels).
      nearest: uint8, of the same shape.
      path: where to write the PNG file.
    """
    figure = Figure(figsize=(len(samples), 2.6), layout="constrained")
    axes = figure.subplots(2, 1)
    titles = ("samples", "the training examples nearest to them")
    for ax, images, title in zip(axes, (samples, nearest), titles, strict=True):
        row = np.concatenate(list(images), axis=1)
        ax.imshow(row.squeeze(), cmap="gray", vmin=0, vmax=255)
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    save_figure(figure, path)


def class_shares(
    shares: Sequence[float], of_real: Sequence[float], class_names: Sequence[str], path: Path
) -> None:
    """Draws how frequent each class is among the samples, and among real images.

    Args:
      shares: fractions of the samples, by class, as the feature extractor predicts it.
      of_real: fractions of the real images, by class.
      class_names: names of the classes.
      path: where to write the PNG file.
    """
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(shares))
    axes.bar(places - 0.2, 100 * np.asarray(shares), 0.4, color=TRAIN, label="samples")
    axes.bar(places + 0.2, 100 * np.asarray(of_real), 0.4, color=NEUTRAL, label="test images")
    rotation = 45 if max(map(len, class_names)) > 3 else 0
    axes.set_xticks(places, class_names, rotation=rotation, parse_math=False)
    axes.set(ylabel="%", title="Classes of the samples, as the feature extractor predicts them")
    axes.legend(loc="lower right")
    save_figure(figure, path)


def adversarial_curves(records: list[dict[str, Any]], floor: float, path: Path) -> None:
    """Draws losses, the discriminator's accuracies and the Frechet distance over the epochs.

    Args:
      records: the lines of metrics.jsonl.
      floor: the Frechet distance between training and test examples.
      path: where to write the PNG file.
    """
    steps, epochs, steps_per_epoch = split_records(records)
    times = [record["step"] / steps_per_epoch for record in steps]
    figure = Figure(figsize=(16, 4), layout="constrained")
    losses, accuracies, distances = figure.subplots(1, 3)
    for axes, pair in (
        (losses, ("generator_loss", "discriminator_loss")),
        (accuracies, ("real_accuracy", "fake_accuracy")),
    ):
        for name, color in zip(pair, (TRAIN, VALIDATION), strict=True):
            values = [record[f"train_{name}"] for record in steps]
            axes.plot(times, values, color=color, linewidth=1, label=name.replace("_", " "))
    losses.set(title="Losses")
    accuracies.set(title="What the discriminator tells apart", ylim=(0, 1))
    if "validation_frechet_distance" in epochs[0]:
        label = "samples and validation split"
        plot_epochs(distances, epochs, "validation_frechet_distance", label)
    distances.axhline(floor, color="black", linewidth=1, linestyle="--", label="training and test")
    distances.set(title="Frechet distance", yscale="log")
    distances.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    distances.yaxis.set_major_formatter("{x:g}")
    distances.yaxis.set_minor_formatter("{x:g}")
    for axes in (losses, accuracies, distances):
        axes.set(xlabel="epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)
