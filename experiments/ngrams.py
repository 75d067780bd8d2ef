"""A linear classifier on word n-grams: the baseline that a network for texts has to beat.

    python -m experiments.ngrams

Each distinct word, pair and triple of words in a film review counts once, by its naive Bayes
log-count ratio, and a logistic regression on the 25,000 training reviews of IMDB weighs them (Wang
and Manning 2012, "Baselines and Bigrams"). Expect a test accuracy of 91.79 %
(experiments/results/ngrams-imdb.json) after a quarter of a minute on two CPU cores: more than any
network that is trained from scratch here on words alone. The penalty, the number of buckets and the
longest n-grams were chosen on a tenth of the training reviews.

figures/ngrams.png shows which n-grams speak for each class.
"""

import dataclasses
from typing import Any

import numpy as np

from jaxdl.data.tokenizer import encode, load_tokenizer
from jaxdl.models.ngrams import NGramClassifier
from jaxdl.runs import text_figures
from jaxdl.runs.classifier_experiment import PredictLogits
from jaxdl.runs.drawing import draw_predictions
from jaxdl.runs.experiment import Result
from jaxdl.runs.fitted_experiment import FittedExperiment
from jaxdl.runs.inputs import TEXT_INPUTS, Examples
from jaxdl.runs.launch import launch
from jaxdl.runs.options import MachineOptions, RunOptions, TextData
from jaxdl.training.ngrams import find_ngrams, find_rows, fit_ngrams, predict_ngrams
from jaxdl.training.optimization import require, require_positive

LEAST_TEXTS, NUM_SHOWN = 50, 25


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The classifier."""

    largest_n: int = 3
    """Number of words of the longest n-grams."""
    num_buckets: int = 2**23
    """Number of buckets into which n-grams are hashed."""

    def __post_init__(self) -> None:
        require_positive(self, "largest_n")
        require(self, "num_buckets", 1 <= self.num_buckets < 2**31, "1 to 2**31 - 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimization:
    """How the weights are fitted."""

    penalty: float = 0.05
    """Half of it times the squared norm of the weights is added to the sum of the losses."""
    steps: int = 30
    """Number of L-BFGS steps, a multiple of 10."""

    precision = "float32"  # no option, since no matrices are multiplied

    def __post_init__(self) -> None:
        require(self, "penalty", self.penalty >= 0, "at least 0")
        require(self, "steps", self.steps >= 10 and self.steps % 10 == 0, "a multiple of 10")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options; the defaults are those of the result above."""

    data: TextData = TextData(
        validation_fraction=0.0, vocabulary_size=200_000, sequence_length=1_500
    )
    model: ModelOptions = ModelOptions()
    optimization: Optimization = Optimization()
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()

    def __post_init__(self) -> None:
        require(self.run, "seeds", self.run.seeds == 1, "1, because nothing in the fit is random")
        require(self.machine, "mesh", not self.machine.mesh, "left out: one device fits")


def build_model(config: Config, num_classes: int) -> NGramClassifier:
    """Builds the classifier."""
    return NGramClassifier(**dataclasses.asdict(config.model), num_classes=num_classes)


def fit(config: Config, examples: Examples) -> tuple[dict[str, Any], PredictLogits]:
    """Counts the n-grams and fits their weights."""
    model = build_model(config, len(examples.dataset.class_names))
    options = config.optimization
    variables = fit_ngrams(model, examples.encoded.train, options.penalty, options.steps)
    return variables, lambda split, _: predict_ngrams(model, variables, split)


def draw_strongest(result: Result) -> None:
    """Draws the n-grams of the test texts that speak most for each class."""
    model, names, data = result.model, result.dataset.class_names, result.config.data
    weights = result.variables["batch_stats"]["ratios"] * result.variables["params"]["kernel"]
    if len(names) == 2:
        weights = np.concatenate([-weights, weights], axis=1)
    tokenizer = load_tokenizer(result.run.tokenizer)
    split = encode(tokenizer, result.dataset.test["text"], data.sequence_length, data.truncation)
    rows = find_rows(split, model.largest_n, model.num_buckets)
    counts = np.bincount(rows.bucket, minlength=model.num_buckets)
    least = min(max(2, len(split["length"]) // 500), LEAST_TEXTS, counts.max())
    frequent = np.flatnonzero(counts >= least)
    strongest = [frequent[np.argsort(-column[frequent])[:NUM_SHOWN]] for column in weights.T]
    found = find_ngrams(model, split, np.concatenate(strongest))
    shown = {
        name: [
            (" ".join(map(tokenizer.id_to_token, found[b])), column[b]) for b in buckets.tolist()
        ]
        for name, column, buckets in zip(names, weights.T, strongest, strict=True)
    }
    title = f"Strongest n-grams among those in {least} test texts or more"
    text_figures.strongest_ngrams(shown, title, result.run.figures / "ngrams.png")


EXPERIMENT = FittedExperiment(
    "ngrams",
    Config,
    {},
    build_model,
    TEXT_INPUTS,
    figures=(draw_predictions, draw_strongest),
    fit=fit,
)

if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
