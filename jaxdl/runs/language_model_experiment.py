"""Experiments that train a language model, from which classifiers of texts can start."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
from jax.sharding import Mesh

from jaxdl.files import write_text
from jaxdl.runs.drawing import draw_learning_curves
from jaxdl.runs.experiment import Experiment, InitialTraining, Result, Summary, draw_figures
from jaxdl.runs.inputs import TEXT_INPUTS, Inputs, tokenizer_of
from jaxdl.runs.lifecycle import create_or_resume_run, print_header, summarise
from jaxdl.runs.networks import require_sentences
from jaxdl.runs.run import Run
from jaxdl.runs.writing import LanguageModel
from jaxdl.training.checkpoints import load_model
from jaxdl.training.language_modelling import init_language_model, train_language_model
from jaxdl.training.language_objectives import Objective
from jaxdl.training.mesh import device_get, make_mesh
from jaxdl.training.plan import require_trainable
from jaxdl.training.precision import with_dtype

EXAMPLES_OF_A_MASK = 5


@dataclasses.dataclass(frozen=True)
class LanguageModelExperiment(Experiment):
    """An experiment that trains a language model on the training texts of a data set.

    Attributes:
      build_model: ``build_model(config)``, the network, whose ``dtype`` is set to that of the
        precision.
      build_objective: ``build_objective(config)``, what the network has to predict.
      complete: ``complete(config, language_model, sentences, top, seed)``, a line for each
        sentence, completed by the language model; ``top`` is the number of words for a mask.
      examples: ``examples(config)``, sentences to complete in figures/texts.txt of a run.
      inputs: what the network reads.
    """

    build_model: Callable[[Any], nn.Module]
    build_objective: Callable[[Any], Objective]
    complete: Callable[[Any, LanguageModel, Sequence[str], int, int], list[str]]
    examples: Callable[[Any], Sequence[str]]
    inputs: Inputs = TEXT_INPUTS

    def network(self, config: Any) -> nn.Module:
        """Builds the network, with the dtype of the precision that the options name."""
        return with_dtype(self.build_model(config), config.optimization.precision)

    def train(self, config: Any) -> tuple[Run, Summary]:
        """See `Experiment.train`.

        The scores in the summary are those of the validation split, since the test texts are left
        to classifiers: "validation_loss", the mean cross-entropy of a token in nats, and
        "validation_perplexity", its exponential.
        """
        started = time.monotonic()
        mesh = make_mesh(config.machine.mesh)
        examples = self.inputs.load(config)
        train, validation = (
            {name: split[name] for name in ("tokens", "length")}
            for split in (examples.encoded.train, examples.encoded.validation)
        )
        sizes = len(train["length"]), len(validation["length"])
        require_trainable(config.optimization, *sizes, mesh)
        with create_or_resume_run(self.name, config, examples) as run:
            model = self.network(config)
            parameters = self.inputs.count_parameters(config, model)
            print_header(run, config, examples.dataset, model, parameters)
            trained, score = train_language_model(
                model,
                train,
                config.optimization,
                self.build_objective(config),
                validation=validation,
                num_words=config.objective.sampled_words,
                seed=config.run.seed,
                mesh=mesh,
                checkpoints=run.checkpoints,
                log=run.metrics_log(),
            )
            variables = device_get(trained.variables, mesh)
            metrics = score(validation, "scoring the validation split")
            scores = {f"validation_{name}": value for name, value in metrics.items()}
            dataset, seconds = examples.dataset, time.monotonic() - started
            summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
            run.write_summary(summary)
            result = Result(run, config, dataset, model, variables, summary)
            draw_figures((draw_learning_curves, self._write_examples), result)
            return run, summary

    def _write_examples(self, result: Result) -> None:
        run, config = result.run, result.config
        network = (result.model, result.variables, tokenizer_of(run), config.optimization.precision)
        examples = (self.examples(config), EXAMPLES_OF_A_MASK, config.run.seed)
        lines = self.complete(config, LanguageModel(*network), *examples)
        write_text(run.figures / "texts.txt", "\n".join(lines) + "\n")

    def complete_sentences(
        self, run: Run, sentences: Sequence[str], top: int, seed: int
    ) -> list[str]:
        """Returns a line for each sentence, completed by the language model of a run.

        Args:
          run: a run of this experiment.
          sentences: to continue, or with a mask to fill in.
          top: number of words for a mask.
          seed: decides which words are drawn.

        Raises:
          UserError: a sentence is empty, not in UTF-8, or the name of an image.
        """
        require_sentences(sentences, str(run.directory))
        config = self.read_config(run)
        network = (self.network(config), load_model(run.checkpoints), tokenizer_of(run))
        language_model = LanguageModel(*network, config.optimization.precision)
        return self.complete(config, language_model, sentences, top, seed)

    def init(
        self, config: Any, steps_per_epoch: int, mesh: Mesh, num_classes: int
    ) -> InitialTraining:
        """See `Experiment.init`; the number of classes has no effect."""
        example = self.inputs.describe_example(config)
        del example["label"]
        options = (
            config.optimization,
            self.build_objective(config),
            steps_per_epoch,
            config.run.seed,
        )
        num_words = config.objective.sampled_words
        model = self.network(config)
        state, step, _ = init_language_model(model, example, *options, mesh, num_words)
        return InitialTraining(state, step, example)
