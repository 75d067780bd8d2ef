"""A trained classifier as the judge of generated images."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.data.augmentation import normalise
from jaxdl.training.sample_quality import frechet_distance, precision_and_recall
from jaxdl.training.steps import make_predict

Judged = dict[str, np.ndarray]
Judge = Callable[[np.ndarray], Judged]
COLLAPSED_SHARE = 0.2


def make_judge(model: nn.Module, variables: Any) -> Judge:
    """What a classifier sees in images.

    Args:
      model: sows "features" (batch, features) into "intermediates", and gives logits.
      variables: of the trained model.

    Returns:
      ``judge(images)``: of uint8 images (examples, height, width, channels) their
      "features", float32 (examples, features), and their "class", int32 (examples,).
    """

    def apply(variables: Any, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        images = normalise(batch["image"])
        logits, sown = model.apply(variables, images, train=False, mutable=["intermediates"])
        features = sown["intermediates"]["features"][0].astype(jnp.float32)
        return {"features": features, "class": logits.argmax(-1)}

    predict = make_predict(apply)
    return lambda images: predict(variables, {"image": images})


def compare(samples: Judged, real: Judged, num_classes: int) -> dict[str, float]:
    """The quality of samples.

    Args:
      samples: judged.
      real: judged, about as many, since a Frechet distance depends on how many there are.
      num_classes: that the judge tells apart.

    Returns:
      "frechet_distance", "precision" and "recall" in the judge's features, and the shares
      of the samples in the rarest and the most frequent class, "smallest_class_share" and
      "largest_class_share".
    """
    shares = class_shares(samples, num_classes)
    precision, recall = precision_and_recall(real["features"], samples["features"])
    return {
        "frechet_distance": frechet_distance(real["features"], samples["features"]),
        "precision": precision,
        "recall": recall,
        "smallest_class_share": float(shares.min()),
        "largest_class_share": float(shares.max()),
    }


def class_shares(samples: Judged, num_classes: int) -> np.ndarray:
    """Shares of the samples by class, float64 (num_classes,)."""
    return np.bincount(samples["class"], minlength=num_classes) / len(samples["class"])


def has_collapsed(quality: dict[str, float], num_classes: int) -> bool:
    """Whether a class that should come as often as the others has less than a fifth of that."""
    return quality["smallest_class_share"] < COLLAPSED_SHARE / num_classes
