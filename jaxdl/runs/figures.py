"""Figures of a run, each a PNG file, drawn without a display."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from jaxdl.console import note
from jaxdl.errors import UserError, reason_of

RIGHT, WRONG = "#1b7837", "#b2182b"
TRAIN, VALIDATION, NEUTRAL = "#4393c3", "#d6604d", "#bababa"
DOTS_PER_INCH = 110


@contextlib.contextmanager
def optional_figure(name: str) -> Iterator[None]:
    """Turns an error into a remark, since results do not depend on figures."""
    try:
        yield
    except Exception as error:  # from Matplotlib, Pillow, or files of earlier sessions
        note(f"A figure was not drawn ({name}: {reason_of(error)}).")


def split_records(
    records: list[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """Returns the records of steps, those of whole epochs, and the number of steps in an epoch.

    Raises:
      UserError: there is no record of an epoch.
    """
    steps = [record for record in records if "epoch" not in record]
    epochs = [record for record in records if "epoch" in record]
    if not epochs:
        raise UserError("metrics.jsonl has no record of an epoch")
    return steps, epochs, epochs[0]["step"] / epochs[0]["epoch"]


def learning_curves(records: list[dict[str, Any]], path: Path) -> None:
    """Draws each metric over the epochs: for training by step, for validation by epoch.

    Args:
      records: the lines of metrics.jsonl.
      path: where to write the PNG file.
    """
    steps, epochs, steps_per_epoch = split_records(records)
    names = [key.removeprefix("train_") for key in epochs[0] if key.startswith("train_")]
    figure = Figure(figsize=(5.5 * len(names), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot(
            [record["step"] / steps_per_epoch for record in steps],
            [record[f"train_{name}"] for record in steps],
            color=TRAIN,
            linewidth=1,
            label="training",
        )
        if f"validation_{name}" in epochs[0]:
            plot_epochs(axes, epochs, f"validation_{name}", "validation")
        if name == "loss":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            _hide_first_rise(axes)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)


def plot_epochs(axes: Axes, epochs: list[dict[str, Any]], name: str, label: str) -> None:
    """Draws a value of the validation split after each epoch."""
    numbers, values = zip(*((record["epoch"], record[name]) for record in epochs), strict=True)
    axes.plot(numbers, values, color=VALIDATION, marker="o", markersize=4, label=label)


def predictions(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    path: Path,
) -> None:
    """Draws the first twenty examples, then the twenty most confident mistakes.

    Args:
      images: uint8 (examples, height, width, channels).
      labels: int (examples,).
      probabilities: float (examples, classes).
      class_names: names of the classes, in the order of the labels.
      path: where to write the PNG file.
    """
    predicted = probabilities.argmax(-1)
    confidence = probabilities.max(-1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-confidence[wrong])][:20]
    figure = Figure(figsize=(15, 7), layout="constrained")
    upper, lower = figure.subplots(2, 1)
    share = 1 - len(wrong) / len(labels)
    upper.set_title(f"The first of {len(labels):,} test examples, {share:.2%} of them right")
    lower.set_title("The most confident mistakes" if len(wrong) else "There are no mistakes.")
    for axes, chosen in ((upper, np.arange(min(20, len(labels)))), (lower, worst)):
        right = predicted[chosen] == labels[chosen]
        captions = []
        for example, fine in zip(chosen, right, strict=True):
            said, truth = class_names[predicted[example]], class_names[labels[example]]
            caption = said if fine else f"{truth}, taken\nfor {said}"
            captions.append(f"{caption}\n{confidence[example]:.0%}")
        colors = [RIGHT if fine else WRONG for fine in right]
        _draw_grid(axes, images[chosen], captions, colors)
    save_figure(figure, path)


def _draw_grid(
    axes: Axes, images: np.ndarray, captions: Sequence[str], colors: Sequence[str]
) -> None:
    """Draws up to twenty images in two rows as one picture, since axes for each take seconds."""
    _, height, width, channels = images.shape
    row_height, column_width = round(1.5 * height), round(1.25 * width)
    canvas = np.full((2 * row_height, 10 * column_width, channels), 255, np.uint8)
    for position, (image, caption, color) in enumerate(zip(images, captions, colors, strict=True)):
        row, column = divmod(position, 10)
        top, left = (row + 1) * row_height - height, column * column_width
        canvas[top : top + height, left : left + width] = image
        axes.text(
            left + width / 2,
            top - 1,
            caption,
            parse_math=False,
            fontsize=8,
            color=color,
            ha="center",
            va="bottom",
        )
    axes.imshow(canvas, cmap="gray", vmin=0, vmax=255)
    axes.axis("off")


def confusion_matrix(
    labels: np.ndarray, predicted: np.ndarray, class_names: Sequence[str], path: Path
) -> None:
    """Draws how often each class was predicted as each other; colours show the mistakes only.

    With more than twenty classes the numbers are left out.

    Args:
      labels: int (examples,).
      predicted: int (examples,).
      class_names: names of the classes, in the order of the labels.
      path: where to write the PNG file.
    """
    num_classes = len(class_names)
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (labels, predicted), 1)
    mistakes = counts * (1 - np.eye(num_classes, dtype=int))
    has_room = num_classes <= 20
    side = (0.6 if has_room else 0.16) * num_classes
    figure = Figure(figsize=(2 + side, 1.5 + side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(mistakes, cmap="Reds", vmax=max(1, 1.5 * mistakes.max()))
    for row, column in np.argwhere(counts) if has_room else ():
        on_diagonal = row == column
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}",
            ha="center",
            va="center",
            fontsize=9,
            color=RIGHT if on_diagonal else "black",
            weight="bold" if on_diagonal else "normal",
        )
    ticks = range(num_classes)
    fontsize = 10 if has_room else 7
    rotation = 90 if max(map(len, class_names)) > 3 else 0
    plain = {"fontsize": fontsize, "parse_math": False}
    axes.set_xticks(ticks, class_names, rotation=rotation, **plain)
    axes.set_yticks(ticks, class_names, **plain)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion on the test split")
    save_figure(figure, path)


def filters(kernel: np.ndarray, path: Path) -> None:
    """Draws the kernels of a first convolution.

    Kernels with three channels are drawn in colour, each scaled by its largest absolute value, with
    grey for 0. For others, the mean over channels is drawn: red is positive, blue negative.

    Args:
      kernel: float (height, width, channels, features).
      path: where to write the PNG file.
    """
    kernels = np.asarray(kernel)
    features = kernels.shape[-1]
    if kernels.shape[2] == 3:
        largest = np.abs(kernels).max(axis=(0, 1, 2))
        kernels = 0.5 + 0.5 * kernels / np.maximum(largest, 1e-12)
    else:
        kernels = kernels.mean(2)
    columns = min(8, features)
    rows = -(-features // columns)
    limit = np.abs(kernels).max()
    figure = Figure(figsize=(columns, rows + 0.5), layout="constrained")
    figure.suptitle("Filters of the first convolution")
    for feature, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if feature < features:
            axes.imshow(kernels[..., feature], cmap="RdBu_r", vmin=-limit, vmax=limit)
    save_figure(figure, path)


def _hide_first_rise(axes: Axes) -> None:
    """Leaves out the lowest tenth of the values, as a rule those of the rise at the start."""
    values = np.concatenate([line.get_ydata() for line in axes.lines])
    low, high = np.quantile(values, 0.1), values.max()
    margin = 0.05 * (high - low) + 1e-6
    axes.set_ylim(low - margin, high + margin)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes an image file; a box stands for a character that the font lacks, such as an emoji."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(path, dpi=DOTS_PER_INCH)
