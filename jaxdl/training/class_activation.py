"""Where in an image a convolutional network sees a class."""

import numpy as np


def class_activation(maps: np.ndarray, kernel: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2016, section 3) of a network that ends in a mean and a layer.

    There the gradient of a class's logit by the maps is the kernel's column, the same at every
    place (section 3.1: it generalises the class activation mapping of Zhou et al. 2015).

    Args:
      maps: float (examples, rows, columns, features), what the mean is taken of.
      kernel: float (features, all classes), of the layer after it.
      classes: int (examples,), to look for.

    Returns:
      float (examples, rows, columns), at least 0.
    """
    return np.maximum(0, np.einsum("nrcf,fn->nrc", maps, kernel[:, classes]))
