"""A trained classifier as the feature extractor by which generated images are evaluated."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.analysis.sample_quality import frechet_distance, kernel_distance, precision_and_recall
from jaxdl.data.augmentation import normalise
from jaxdl.training.prediction import make_predict

Features = dict[str, np.ndarray]
COLLAPSED_RATIO = 0.2


class FeatureExtractor(NamedTuple):
    """Maps images to features.

    Attributes:
      extract: ``extract(images)``: maps uint8 images (examples, height, width, channels) to their
        "features", float32 (examples, features), and their predicted "class", int32 (examples,).
      sha256: SHA-256 of the network's variables; extractors that share it give equal scores.
    """

    extract: Callable[[np.ndarray], Features]
    sha256: str


def make_feature_extractor(model: nn.Module, variables: Any) -> FeatureExtractor:
    """Compiles a classifier as a feature extractor.

    Args:
      model: sows "features" (batch, features) into "intermediates", and returns logits.
      variables: variables of the trained model.
    """

    def apply(variables: Any, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        images = normalise(batch["image"])
        logits, sown = model.apply(variables, images, train=False, mutable=["intermediates"])
        features = sown["intermediates"]["features"][0].astype(jnp.float32)
        return {"features": features, "class": logits.argmax(-1)}

    predict = make_predict(apply)
    return FeatureExtractor(
        lambda images: predict(variables, {"image": images}), sha256_of(variables)
    )


def sha256_of(variables: Any) -> str:
    """Computes the SHA-256 of the paths and bytes of all arrays, in the order of the tree."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.ascontiguousarray(leaf))
    return digest.hexdigest()


def compare(samples: Features, real: Features, num_classes: int) -> dict[str, float]:
    """Measures the quality of samples.

    Args:
      samples: what `FeatureExtractor.extract` returned for generated images.
      real: the same for about as many real images: a Frechet distance depends on their number.
      num_classes: number of classes of the feature extractor.

    Returns:
      "frechet_distance", "kernel_distance" with its standard error "kernel_distance_error",
      "precision" and "recall" of the features; the fractions of the samples in the rarest and in
      the most frequent class, "smallest_class_share" and "largest_class_share"; and
      "smallest_class_ratio", how frequent a class is among the samples relative to the real images,
      for the class in which this is least.
    """
    shares, of_real = class_shares(samples, num_classes), class_shares(real, num_classes)
    is_real = of_real > 0
    features = real["features"], samples["features"]
    precision, recall = precision_and_recall(*features)
    distance, error = kernel_distance(*features)
    return {
        "frechet_distance": frechet_distance(*features),
        "kernel_distance": distance,
        "kernel_distance_error": error,
        "precision": precision,
        "recall": recall,
        "smallest_class_share": float(shares.min()),
        "largest_class_share": float(shares.max()),
        "smallest_class_ratio": float((shares[is_real] / of_real[is_real]).min()),
    }


def class_shares(images: Features, num_classes: int) -> np.ndarray:
    """Computes the fraction of the images in each "class", float64 (num_classes,)."""
    return np.bincount(images["class"], minlength=num_classes) / len(images["class"])


def has_collapsed(quality: dict[str, float]) -> bool:
    """Whether a class is less than a fifth as frequent among the samples as among real images."""
    return quality["smallest_class_ratio"] < COLLAPSED_RATIO
