"""The train step of every experiment as it is, without its data: to compile it, to compare it."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from experiments import gan
from experiments.trained_networks import TRAINED_FROM_SCRATCH
from jaxdl.data.catalog import CATALOG
from jaxdl.models.gan import Discriminator
from jaxdl.training import classifier, generation
from jaxdl.training.config import TrainingConfig
from jaxdl.training.image_classification import image_task
from jaxdl.training.steps import TrainStep
from jaxdl.training.text_classification import TEXT_TASK, TextConfig

EXPERIMENTS = TRAINED_FROM_SCRATCH | {"gan": gan}
NUM_EXAMPLES = {"mnist": 60_000, "cifar10": 50_000, "imdb_reviews": 25_000}
NUM_CLASSES = 10
STEPS_PER_EPOCH = 1000  # the learning rate is a function of it, nothing else


@dataclasses.dataclass(frozen=True)
class Beginning:
    """What a training begins with, but for its data.

    Attributes:
      state: the fresh train state.
      step: the train step.
      example: shape and dtype of each feature of one example, (1, ...).
    """

    state: Any
    step: TrainStep
    example: dict[str, jax.ShapeDtypeStruct]


def begin_training(name: str, config: TrainingConfig, mesh: Mesh) -> Beginning:
    """The training of an experiment with these options; inside `jax.eval_shape`, its shapes.

    Args:
      name: of the experiment.
      config: all options.
      mesh: over whose devices to lay the state out.
    """
    example = describe_example(config)
    if name == "gan":
        state, step, _ = generation.begin(
            config,
            gan.build_generator(config),
            Discriminator(config.dropout_rate, config.dtype),
            example["image"].shape[1:],
            STEPS_PER_EPOCH,
            mesh,
            noise_size=config.noise_size,
            b1=config.b1,
            gradient_penalty=config.gradient_penalty,
        )
        return Beginning(state, step, {"image": example["image"]})
    model = EXPERIMENTS[name].build_model(config, NUM_CLASSES)
    task = TEXT_TASK if isinstance(config, TextConfig) else image_task(config)
    state, step, _ = classifier.begin(config, model, task, example, STEPS_PER_EPOCH, mesh)
    return Beginning(state, step, example)


def describe_example(config: TrainingConfig) -> dict[str, jax.ShapeDtypeStruct]:
    """Shape and dtype of each feature of one example of the data set that the options name."""
    label = {"label": jax.ShapeDtypeStruct((1,), np.int32)}
    if isinstance(config, TextConfig):
        tokens = jax.ShapeDtypeStruct((1, config.sequence_length), np.int32)
        return {"tokens": tokens, "length": label["label"]} | label
    return {
        "image": jax.ShapeDtypeStruct((1, *CATALOG[config.dataset].image_shape), np.uint8)
    } | label
