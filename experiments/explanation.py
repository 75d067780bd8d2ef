"""Where in a picture a trained network sees what it says."""

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


def draw_explanation(network: TrainedNetwork, inputs: list[str], path: Path) -> None:
    """Each picture, and the same again, brightest where the network looks.

    Args:
      network: a residual network, explained by Grad-CAM, or a Vision Transformer, by attention
        rollout.
      inputs: image files.
      path: of the picture to write.

    Raises:
      UsageError: the network is of another kind.
    """
    if not isinstance(network.model, ResNet | ViT):
        raise UsageError("--explain works for residual networks and Vision Transformers.")
    examples = network.read(inputs)
    (view, *_) = network.task.views

    @jax.jit
    def look(variables: Any, examples: dict[str, jax.Array]) -> tuple[jax.Array, Any]:
        (images,) = view(examples)
        return network.model.apply(variables, images, train=False, mutable=["intermediates"])

    logits, sown = look(network.variables, examples)
    classes = np.asarray(logits).argmax(-1)
    where = where_it_looks(network, sown["intermediates"], classes)
    captions = [network.class_names[label] for label in classes]
    vision_figures.attention_maps(examples["image"], where, captions, path)


def where_it_looks(network: TrainedNetwork, sown: Any, classes: np.ndarray) -> np.ndarray:
    """How much each place counts, float (examples, rows, columns)."""
    if isinstance(network.model, ResNet):
        kernel = np.asarray(network.variables["params"]["Dense_0"]["kernel"])
        return class_activation(np.asarray(sown["maps"][0]), kernel, classes)
    return rollout_of_blocks(sown, network.model.pooling == "token")
