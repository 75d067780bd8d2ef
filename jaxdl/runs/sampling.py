"""What a generator is asked for: noise, and classes."""

from typing import Any

import numpy as np

from jaxdl.training.generator import Arrays, draw_noise

ROWS_SHOWN, COLUMNS, MOST_COLUMNS = 8, 8, 16
SEED_OF_SHOWN = 0
"""Of the noise of the samples in all figures."""


def draw_inputs(config: Any, labels: np.ndarray, seed: int) -> Arrays:
    """Draws noise for samples, and if the networks know classes, adds the labels."""
    inputs = {"noise": draw_noise(len(labels), config.adversarial.latent_dim, seed)}
    return inputs | ({"label": labels} if config.model.conditional else {})


def draw_in_order(num_samples: int, config: Any, num_classes: int, seed: int) -> Arrays:
    """Draws inputs of the generator for samples of one class after another."""
    labels = np.arange(num_samples, dtype=np.int32) % num_classes
    return draw_inputs(config, labels, seed)


def samples_in_a_row(config: Any, num_classes: int) -> int:
    """Returns the number of columns of a grid of samples: one for each class if they are few."""
    by_class = config.model.conditional and num_classes <= MOST_COLUMNS
    return num_classes if by_class else COLUMNS
