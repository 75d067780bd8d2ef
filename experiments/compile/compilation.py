"""From an experiment to its compiled train step, or its compiled prediction."""

from typing import Any

import jax
from jax.sharding import Mesh

from jaxdl.analysis.flops import count_flops
from jaxdl.data.catalog import CATALOG
from jaxdl.runs.experiment import Experiment, InitialTraining
from jaxdl.training.epoch import CompiledEpoch, example_shapes, with_shardings
from jaxdl.training.mesh import batch_sharding, replicated
from jaxdl.training.streaming import StreamedEpoch

STEPS_PER_EPOCH = 1000  # affects the learning rate only
IMAGENET = ("tfds:imagenet2012", 1_281_167, 1000)
"""Data set of the presets that stream pictures: its name, numbers of examples and of classes."""


def compile_step(experiment: Experiment, config: Any, mesh: Mesh) -> tuple[Any, int]:
    """Compiles the train steps of an experiment, and counts the FLOPs of one.

    Args:
      experiment: what is trained.
      config: its options.
      mesh: the devices for which to compile.
    """
    training, state = _init(experiment, config, mesh)
    num_train, _ = size_of(config)
    split = example_shapes(training.example, num_train)
    batch_size, seed = config.optimization.batch_size, config.run.seed
    kind = StreamedEpoch if streams(config) else CompiledEpoch
    epoch = kind(training.step, state, split, batch_size, seed, mesh)
    flops = count_flops(training.step, *epoch.step_arguments)
    return epoch.lower().compile(), flops


def compile_prediction(experiment: Experiment, config: Any, mesh: Mesh) -> tuple[Any, int] | None:
    """Compiles the program for inference, as `compile_step` does; None if there is none."""
    training, state = _init(experiment, config, mesh)
    if training.predict is None:
        return None
    batch = example_shapes(training.inputs, config.optimization.batch_size)
    arguments = (
        with_shardings(state.variables, lambda _: replicated(mesh)),
        with_shardings(batch, lambda _: batch_sharding(mesh)),
    )
    flops = count_flops(training.predict, *arguments)
    return jax.jit(training.predict).lower(*arguments).compile(), flops


def _init(experiment: Experiment, config: Any, mesh: Mesh) -> tuple[InitialTraining, Any]:
    """Returns the initial training, and the shapes of its state."""
    static = {}

    def init_state() -> Any:
        num_classes = size_of(config)[1]
        static["training"] = experiment.init(config, STEPS_PER_EPOCH, mesh, num_classes)
        return static["training"].state

    state = jax.eval_shape(init_state)
    return static["training"], state


def streams(config: Any) -> bool:
    """Whether the pictures of a configuration are read again in every epoch."""
    return getattr(config.data, "stream", False)


def size_of(config: Any) -> tuple[int, int]:
    """Returns the number of training examples of a data set, and of its classes."""
    if config.data.dataset in CATALOG:
        entry = CATALOG[config.data.dataset]
        return entry.num_train, entry.num_classes
    return IMAGENET[1:]
