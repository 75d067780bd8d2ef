"""Where in a picture a trained network sees what it says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.trained_networks import TrainedNetwork
from jaxdl.errors import UsageError
from jaxdl.models.resnet import ResNet
from jaxdl.models.vit import ViT
from jaxdl.runs import vision_figures
from jaxdl.training.attention_rollout import rollout_of_blocks
from jaxdl.training.class_activation import class_activation
from jaxdl.training.steps import make_predict

AT_ONCE = 8


def require_explainable(network: TrainedNetwork) -> None:
    """Raises a UsageError unless the network is one that `draw_explanation` takes."""
    if not isinstance(network.model, ResNet | ViT):
        raise UsageError("--explain is for residual networks and Vision Transformers.")


def draw_explanation(
    network: TrainedNetwork, inputs: list[str], labels: Sequence[str], path: Path
) -> None:
    """Each picture, and the same again, brightest where the network looks.

    Args:
      network: a residual network, explained by Grad-CAM, or a Vision Transformer, by attention
        rollout.
      inputs: image files.
      labels: for each the name of the class to look for.
      path: of the picture to write.
    """
    examples = network.read(inputs)
    (view, *_) = network.task.views

    def look(variables: Any, examples: dict[str, jax.Array]) -> Any:
        (images,) = view(examples)
        _, sown = network.model.apply(variables, images, train=False, mutable=["intermediates"])
        return sown["intermediates"]

    sown = make_predict(look, min(AT_ONCE, len(inputs)))(network.variables, examples, "looking")
    classes = np.array([network.class_names.index(label) for label in labels])
    where = where_it_looks(network, sown, classes)
    vision_figures.attention_maps(examples["image"], where, labels, path)


def where_it_looks(network: TrainedNetwork, sown: Any, classes: np.ndarray) -> np.ndarray:
    """How much each place counts, float (examples, rows, columns)."""
    if isinstance(network.model, ResNet):
        kernel = np.asarray(network.variables["params"]["Dense_0"]["kernel"])
        return class_activation(np.asarray(sown["maps"][0]), kernel, classes)
    return rollout_of_blocks(sown, network.model.pooling == "token")
