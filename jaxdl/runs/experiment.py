"""The definition of an experiment, which every command uses."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.console import note
from jaxdl.data import Dataset
from jaxdl.errors import UsageError
from jaxdl.runs.figures import optional_figure
from jaxdl.runs.networks import TrainedNetwork
from jaxdl.runs.options import from_options, with_changes
from jaxdl.runs.run import Run
from jaxdl.training.epoch import TrainStep
from jaxdl.training.precision import supports

Summary = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class InitialTraining:
    """A training before its first step, without data.

    Attributes:
      state: the initial train state.
      step: the train step.
      example: shape and dtype of each feature of one example, (1, ...).
      predict: ``predict(variables, inputs)``, the program for inference; None if there is none.
      inputs: shape and dtype of each input of ``predict``, (1, ...).
    """

    state: Any
    step: TrainStep
    example: dict[str, jax.ShapeDtypeStruct]
    predict: Callable[[Any, dict[str, jax.Array]], Any] | None = None
    inputs: dict[str, jax.ShapeDtypeStruct] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished training, of which figures are drawn.

    Attributes:
      run: the directory of the training.
      config: its options.
      dataset: the data as it was loaded.
      model: the network; for a GAN, the generator.
      variables: "params" and "batch_stats".
      summary: what summary.json says.
      logits: logits of the test split, float32 (examples, classes); None unless it is a classifier.
    """

    run: Run
    config: Any
    dataset: Dataset
    model: nn.Module
    variables: Any
    summary: Summary
    logits: np.ndarray | None = None


def draw_figures(figures: Sequence[Callable[[Result], None]], result: Result) -> None:
    """Draws figures of a finished training; a failure is reported, and does not stop the others."""
    for draw in figures:
        with optional_figure(getattr(draw, "__name__", str(draw))):
            draw(result)


@dataclasses.dataclass(frozen=True)
class Experiment(abc.ABC):
    """An experiment, which is also a command; see `jaxdl.runs.run.module_of`.

    Attributes:
      name: name of the command, and of the directory of its runs.
      config: a frozen dataclass of groups of options, see `jaxdl.runs.options`, all with defaults.
      presets: for each preset, the options that it changes.
    """

    name: str
    config: type
    presets: Mapping[str, Mapping[str, Any]]

    @abc.abstractmethod
    def train(self, config: Any) -> tuple[Run, Summary]:
        """Loads the data, trains, scores and draws figures; returns the run and its summary."""

    @abc.abstractmethod
    def init(
        self, config: Any, steps_per_epoch: int, mesh: Mesh, num_classes: int
    ) -> InitialTraining:
        """Initialises a training without loading its data, for compiling its step."""

    def read_config(self, run: Run) -> Any:
        """Reads the options of a run whose model is going to be used.

        If the device does not support the precision of the training, float32 replaces it, and a
        note says so.

        Raises:
          UserError: they are not options of this experiment.
        """
        config, device = from_options(self.config, run.options), jax.devices()[0]
        if supports(device, config.optimization.precision):
            return config
        note(
            f"{device.device_kind} does not multiply bfloat16: {run.directory} computes in float32 "
            "here."
        )
        return with_changes(config, {"precision": "float32"})

    def load_network(self, run: Run) -> TrainedNetwork:
        """Loads the network that a run has trained.

        Raises:
          UsageError: it is not a classifier.
        """
        raise UsageError(f"{run.directory} is a run of {self.name}, which is not a classifier.")

    def draw_samples(
        self, run: Run, num_samples: int, seed: int, path: Path, class_name: str = ""
    ) -> None:
        """Draws a picture of samples of the generator that a run has trained.

        Args:
          run: a run of this experiment.
          num_samples: number of samples.
          seed: seed of their noise.
          path: where to write the image file.
          class_name: the class of all samples; "" for all classes.

        Raises:
          UsageError: the network is not a generator, or cannot draw samples of this class.
        """
        raise UsageError(
            f"{run.directory} is a run of {self.name}, which draws no samples: give it an input."
        )
