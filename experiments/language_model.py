"""A language model that learns to predict the words of film reviews, without their labels.

    python -m experiments.language_model
    python -m experiments.language_model --network transformer

A recurrent network predicts the next word, and a bidirectional one also the word before; a
Transformer predicts masked words. What such a network learns helps it to classify texts when there
are few labels (Dai and Le 2015, "Semi-supervised Sequence Learning"; Devlin et al. 2018, "BERT"):
``python -m experiments.lstm --pretrain EPOCHS`` trains this experiment first, on the same training
texts, and starts from its network.

figures/texts.txt of a run shows what it writes. ``python -m experiments.predict RUN "this film
is"`` continues a sentence of your own, or fills in the mask of ``"this was a [MASK] film"``.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Literal

import flax.linen as nn

from jaxdl.models.language_models import MaskedLanguageModel, RecurrentLanguageModel
from jaxdl.models.transformer import Positions
from jaxdl.randomness import Purpose, key_for
from jaxdl.runs.language_model_experiment import LanguageModelExperiment
from jaxdl.runs.launch import launch
from jaxdl.runs.options import MachineOptions, RunOptions, TextData
from jaxdl.runs.writing import MASK, LanguageModel, continue_sentences, fill_masks
from jaxdl.training.language_objectives import Objective, masked_tokens, next_token
from jaxdl.training.optimization import (
    Optimization,
    require,
    require_fractions,
    require_heads,
    require_positive,
)

BEGINNINGS = ("this film", "the acting", "i expected", "the worst", "my favorite")
NUM_WORDS = 40
WITH_MASKS = (
    f"this was a {MASK} film .",
    f"the acting is {MASK} , and i loved every minute .",
    f"do not waste your {MASK} .",
    f"the best {MASK} that i have ever seen .",
)
OF_ALL_NETWORKS = ("num_layers", "embed_dim", "word_dropout_rate", "dropout_rate")
OF_RECURRENT_NETWORKS = ("bidirectional", "hidden_dim", "embedding_dropout_rate")
OF_TRANSFORMERS = ("num_heads", "mlp_dim", "positions")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The network."""

    network: Literal["simple", "lstm", "gru", "transformer"] = "lstm"
    """Recurrent cell, or a Transformer encoder."""
    bidirectional: bool = False
    """Whether a recurrent network reads in both directions."""
    num_layers: int = 1
    """Number of layers or blocks."""
    embed_dim: int = 128
    """Width of the embedding, and of a Transformer's blocks."""
    hidden_dim: int = 64
    """Width of the hidden state of each direction of a recurrent network."""
    num_heads: int = 1
    """Number of heads of a Transformer's attention; it divides --embed-dim."""
    mlp_dim: int = 128
    """Width of the hidden layer of a Transformer's MLP."""
    positions: Positions = "learned"
    """How a Transformer encodes positions."""
    embedding_dropout_rate: float = 0.0
    """Probability that an entry of a recurrent network's embedding is dropped from a whole text."""
    word_dropout_rate: float = 0.0
    """Probability that a word is dropped in training."""
    dropout_rate: float = 0.1
    """Probability that a unit of the head, or of a Transformer's blocks, is dropped in training."""

    def __post_init__(self) -> None:
        require_positive(self, "num_layers", "embed_dim", "hidden_dim", "mlp_dim")
        one = not self.bidirectional or self.num_layers == 1
        require(self, "num_layers", one, "1 with --bidirectional, to hide the word to predict")
        require_fractions(self, "embedding_dropout_rate", "word_dropout_rate", "dropout_rate")
        if self.network == "transformer":
            require_heads(self)

    def without_effect(self) -> dict[str, str]:
        """Returns the options that have no effect, each with the option that disables it."""
        is_transformer = self.network == "transformer"
        unused = OF_RECURRENT_NETWORKS if is_transformer else OF_TRANSFORMERS
        return dict.fromkeys(unused, f"--network {self.network}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveOptions:
    """What the network is trained to predict."""

    sampled_words: int = 0
    """Number of random words among which a word is predicted in training; 0 for all, slower."""

    def __post_init__(self) -> None:
        require(self, "sampled_words", self.sampled_words >= 0, "at least 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Options."""

    data: TextData = TextData(sequence_length=400, validation_fraction=0.1)
    model: ModelOptions = ModelOptions()
    objective: ObjectiveOptions = ObjectiveOptions()
    optimization: Optimization = Optimization(
        epochs=10, batch_size=64, learning_rate=2e-3, weight_decay=0.01, gradient_clip=1.0
    )
    run: RunOptions = RunOptions()
    machine: MachineOptions = MachineOptions()

    def __post_init__(self) -> None:
        predicts = self.model.network == "transformer" or self.data.sequence_length >= 2
        require(self.data, "sequence_length", predicts, "at least 2, to predict the next word")
        fewer = self.objective.sampled_words < self.data.vocabulary_size
        require(self.objective, "sampled_words", fewer, "below --vocabulary-size, or 0 for all")


def build_model(config: Config) -> nn.Module:
    """Builds the network that the options describe."""
    model, vocabulary_size = config.model, config.data.vocabulary_size
    is_transformer = model.network == "transformer"
    own = OF_TRANSFORMERS if is_transformer else OF_RECURRENT_NETWORKS
    options = {name: getattr(model, name) for name in (*OF_ALL_NETWORKS, *own)}
    if is_transformer:
        return MaskedLanguageModel(vocabulary_size, config.data.sequence_length, **options)
    return RecurrentLanguageModel(vocabulary_size, cell=model.network, **options)


def build_objective(config: Config) -> Objective:
    """Returns the objective: what the network is trained to predict."""
    if config.model.network == "transformer":
        return partial(masked_tokens, vocabulary_size=config.data.vocabulary_size)
    return partial(next_token, bidirectional=config.model.bidirectional)


def complete(
    config: Config, language_model: LanguageModel, sentences: Sequence[str], top: int, seed: int
) -> list[str]:
    """Continues sentences or, with a Transformer, fills in their masks."""
    if config.model.network == "transformer":
        return fill_masks(language_model, sentences, top)
    return continue_sentences(language_model, sentences, NUM_WORDS, key_for(Purpose.SAMPLES, seed))


EXPERIMENT = LanguageModelExperiment(
    "language_model",
    Config,
    {},
    build_model,
    build_objective,
    complete,
    examples=lambda config: WITH_MASKS if config.model.network == "transformer" else BEGINNINGS,
)


if __name__ == "__main__":
    launch(EXPERIMENT, description=__doc__)
