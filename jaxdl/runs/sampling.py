"""Draws the inputs of a generator: noise and classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxdl.training.generator import Arrays, draw_noise

ROWS_SHOWN, COLUMNS, MOST_COLUMNS = 8, 8, 16
SEED_OF_SHOWN = 0
"""Seed of the noise of the samples in the figures of a run."""


def draw_inputs(config: Any, labels: np.ndarray, seed: int) -> Arrays:
    """Draws noise for samples, and adds the labels if the networks know classes."""
    inputs = {"noise": draw_noise(len(labels), config.adversarial.latent_dim, seed)}
    return inputs | ({"label": labels} if config.model.conditional else {})


def draw_in_order(num_samples: int, config: Any, num_classes: int, seed: int) -> Arrays:
    """Draws inputs of the generator, with the classes 0, 1, 2, ... in turn."""
    labels = np.arange(num_samples, dtype=np.int32) % num_classes
    return draw_inputs(config, labels, seed)


def draw_grid(
    num_samples: int, config: Any, class_names: Sequence[str], class_name: str, seed: int
) -> tuple[Arrays, int]:
    """Draws inputs of the generator for a grid of samples that is about as wide as it is high.

    Args:
      num_samples: number of samples.
      config: all options.
      class_names: names of the classes of the data.
      class_name: class of all samples; "" for all classes in turn.
      seed: seed of the noise.

    Returns:
      The inputs, and the number of columns: with all classes, a multiple of `samples_in_a_row`.
    """
    if class_name:
        labels = np.full(num_samples, class_names.index(class_name), np.int32)
        inputs, row = draw_inputs(config, labels, seed), 1
    else:
        inputs = draw_in_order(num_samples, config, len(class_names), seed)
        row = samples_in_a_row(config, len(class_names))
    return inputs, min(num_samples, row * max(1, round(num_samples**0.5 / row)))


def samples_in_a_row(config: Any, num_classes: int) -> int:
    """Returns the number of columns of a grid of samples: one for each class if they are few."""
    by_class = config.model.conditional and num_classes <= MOST_COLUMNS
    return num_classes if by_class else COLUMNS
