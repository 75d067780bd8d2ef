"""Experiments that train a classifier."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh

from jaxdl.runs.experiment import Experiment, InitialTraining, Result, Summary, draw_figures
from jaxdl.runs.inputs import Examples, Inputs
from jaxdl.runs.lifecycle import create_or_resume_run, print_header, summarise
from jaxdl.runs.networks import TrainedNetwork
from jaxdl.runs.run import Run
from jaxdl.training.checkpoints import load_model
from jaxdl.training.classifier import init_classifier, logits_of, score, train_classifier
from jaxdl.training.finetuning import PretrainedStart
from jaxdl.training.mesh import device_get, make_mesh
from jaxdl.training.plan import Trained, require_trainable
from jaxdl.training.precision import with_dtype

PredictLogits = Callable[[dict[str, np.ndarray], str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class ClassifierExperiment(Experiment):
    """An experiment that trains a classifier.

    Attributes:
      build_model: ``build_model(config, num_classes)``, the network, whose ``dtype`` is set to that
        of the precision.
      inputs: what the network reads.
      figures: each ``draw(result)`` draws figures of a finished run.
      start: ``start(config, examples)``, the model to start from; None for new parameters.
      features: ``features(config, num_classes)``, shape and dtype of each feature that `start` adds
        to one training example, (1, ...), to compile the step without data; None for none.
    """

    build_model: Callable[[Any, int], nn.Module]
    inputs: Inputs
    figures: tuple[Callable[[Result], None], ...] = ()
    start: Callable[[Any, Examples], PretrainedStart | None] | None = None
    features: Callable[[Any, int], dict[str, jax.ShapeDtypeStruct]] | None = None

    def network(self, config: Any, num_classes: int) -> nn.Module:
        """Builds the network, with the dtype of the precision that the options name."""
        return with_dtype(self.build_model(config, num_classes), config.optimization.precision)

    def train(self, config: Any) -> tuple[Run, Summary]:
        """See `Experiment.train`."""
        started = time.monotonic()
        mesh = make_mesh(config.machine.mesh)
        examples = self.inputs.load(config)
        splits = (examples.dataset.train, examples.dataset.validation)
        sizes = [len(split["label"]) for split in splits]
        require_trainable(config.optimization, *sizes, mesh)
        start = self.start(config, examples) if self.start else None
        started += start.seconds_apart if start else 0
        with create_or_resume_run(self.name, config, examples) as run:
            model = self.network(config, len(run.class_names))
            parameters = self.inputs.count_parameters(config, model)
            print_header(run, config, examples.dataset, model, parameters)
            trained, predict = train_classifier(
                model,
                examples.encoded.train,
                config.optimization,
                validation=examples.encoded.validation,
                pipeline=self.inputs.pipeline(config),
                seed=config.run.seed,
                mesh=mesh,
                start=start,
                checkpoints=run.checkpoints,
                log=run.metrics_log(),
            )
            trained = dataclasses.replace(trained, variables=device_get(trained.variables, mesh))
            results = (model, parameters, trained, predict, started)
            return run, self.finish(run, config, examples, *results)

    def finish(
        self,
        run: Run,
        config: Any,
        examples: Examples,
        model: nn.Module,
        parameters: int,
        trained: Trained,
        predict: PredictLogits,
        started: float,
    ) -> Summary:
        """Scores a trained model, writes the summary of its run, and draws its figures.

        Args:
          run: receives summary and figures.
          config: all options.
          examples: the data.
          model: the network.
          parameters: number of its trainable values.
          trained: what the training returned.
          predict: ``predict(split, description)``, logits, float32 (examples, classes).
          started: when the work on the run started, by ``time.monotonic``.
        """
        scores = {}
        splits = {name: getattr(examples.encoded, name) for name in ("validation", "test")}
        if not len(splits["validation"]["label"]):
            del splits["validation"]
        for name, split in splits.items():
            logits, metrics = score(predict, split, f"scoring the {name} split")
            scores |= {f"{name}_{metric}": value for metric, value in metrics.items()}
        seconds = time.monotonic() - started
        dataset = examples.dataset
        summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
        run.write_summary(summary)
        result = Result(run, config, dataset, model, trained.variables, summary, logits)
        draw_figures(self.figures, result)
        return summary

    def init(
        self, config: Any, steps_per_epoch: int, mesh: Mesh, num_classes: int
    ) -> InitialTraining:
        """See `Experiment.init`."""
        example = self.inputs.describe_example(config)
        model = self.network(config, num_classes)
        pipeline, seed = self.inputs.pipeline(config), config.run.seed
        state, step, _ = init_classifier(
            model, example, config.optimization, pipeline, steps_per_epoch, seed, mesh
        )
        inputs = {name: shape for name, shape in example.items() if name != "label"}
        predict = logits_of(model, pipeline, config.optimization.precision)
        features = self.features(config, num_classes) if self.features else {}
        return InitialTraining(state, step, example | features, predict, inputs)

    def load_network(self, run: Run) -> TrainedNetwork:
        """See `Experiment.load_network`."""
        config = self.read_config(run)
        return TrainedNetwork(
            name=str(run.directory),
            model=self.network(config, len(run.class_names)),
            variables=load_model(run.checkpoints),
            pipeline=self.inputs.pipeline(config),
            class_names=run.class_names,
            read=self.inputs.reader(config, run),
            example_shapes=self.inputs.example_shapes(config),
            precision=config.optimization.precision,
        )
