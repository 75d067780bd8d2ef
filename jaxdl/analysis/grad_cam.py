"""Grad-CAM: where in an image a convolutional network sees a class."""

import numpy as np


def grad_cam(maps: np.ndarray, kernel: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Computes Grad-CAM (Selvaraju et al. 2016, section 3) of a network that ends in mean and head.

    There the gradient of a class's logit with respect to the feature maps is, up to a factor, a
    column of the head's kernel, the same at every place (section 3.1: Grad-CAM generalises the
    class activation mapping of Zhou et al. 2015). If the network takes the maximum over the image
    instead, the column is the mean of the gradient over all places, up to a factor.

    Args:
      maps: float (examples, rows, columns, features), the feature maps before the mean.
      kernel: the kernel of the head, float (features, all classes).
      classes: int (examples,), the classes to look for.

    Returns:
      float (examples, rows, columns), at least 0.
    """
    return np.maximum(0, np.einsum("nrcf,fn->nrc", maps, kernel[:, classes]))
