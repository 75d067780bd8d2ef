"""Explains predictions: where in a picture a trained network sees the label that it predicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.analysis.attention_rollout import rollout_of_blocks
from jaxdl.analysis.grad_cam import grad_cam
from jaxdl.errors import UsageError
from jaxdl.runs import image_figures
from jaxdl.runs.networks import TrainedNetwork
from jaxdl.training.prediction import make_predict

BATCH_SIZE = 8


def draw_explanation(
    network: TrainedNetwork, inputs: list[str], labels: Sequence[str], path: Path
) -> None:
    """Draws each picture twice: as it is, and brightest where the network sees the label.

    Args:
      network: a convolutional network, explained by Grad-CAM, or a Vision Transformer, by attention
        rollout.
      inputs: image files.
      labels: for each image the name of the class to look for.
      path: path of the image file to write.

    Raises:
      UsageError: the network is of another kind.
    """
    examples = network.read(inputs)

    def sow(variables: Any, examples: dict[str, jax.Array]) -> Any:
        model_inputs = network.pipeline.preprocess(examples)
        _, sown = network.model.apply(
            variables, *model_inputs, train=False, mutable=["intermediates"]
        )
        return sown.get("intermediates", {})

    sown = make_predict(sow, min(BATCH_SIZE, len(inputs)))(
        network.variables, examples, "explaining"
    )
    if "maps" in sown:
        kernel = np.asarray(network.variables["params"]["head"]["kernel"])
        classes = np.array([network.class_names.index(label) for label in labels])
        where = grad_cam(np.asarray(sown["maps"][0]), kernel, classes)
    elif "block_0" in sown:
        where = rollout_of_blocks(sown, network.model.pooling == "token")
    else:
        raise UsageError("--explain is for resnet, speedrun and Vision Transformers.")
    image_figures.attention_maps(examples["image"], where, labels, path)
