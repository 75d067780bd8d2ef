"""A Transformer encoder that reads film reviews: the first half of module five of the tutorial.

    python -m experiments.transformer

Every word looks at every other one at once, instead of one after the other. On the
25,000 + 25,000 reviews of IMDB; figures/attention.png of a run shows who looks at whom.
Expect a test accuracy of 88.22 ± 0.08 % (three seeds, experiments/results/transformer-imdb.json)
after about a quarter of an hour on one CPU core.
"""

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from jaxdl.data import load
from jaxdl.data.tokenizer import encode, load_tokenizer
from jaxdl.models.transformer import Positions, TextTransformer
from jaxdl.runs import Run, text_figures
from jaxdl.runs.command_line import run_command
from jaxdl.training.classifier import train_classifier
from jaxdl.training.launch import launch
from jaxdl.training.report import open_run
from jaxdl.training.text_classification import (
    TEXT_TASK,
    TextConfig,
    draw_text_figures,
    tokenise_for_run,
    tokenizer_path,
)

SENTENCE = "I expected to hate this film, but the acting is wonderful and I loved every minute."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TextConfig):
    """Options of a run."""

    preset: Literal["default", "quick"] = "default"
    """Options not given are the best known, or the soonest good."""
    size: int = 64
    """Of a token's vector."""
    num_blocks: int = 1
    """Encoder blocks."""
    num_heads: int = 1
    """Of each block's attention."""
    mlp_size: int = 128
    """Hidden units of each block's perceptron."""
    positions: Positions = "learned"
    """How the model knows the order of the words."""
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    dropout_rate: float = 0.4
    word_dropout_rate: float = 0.3
    sequence_length: int = 512
    validation_fraction: float = 0.1


PRESETS = {
    "default": Config(),
    "quick": Config(preset="quick", epochs=2, sequence_length=200, word_dropout_rate=0.1),
}


def build_model(config: Config, num_classes: int = 2) -> TextTransformer:
    """The network that the options name."""
    del num_classes  # one logit tells two classes apart
    return TextTransformer(
        vocabulary_size=config.vocabulary_size,
        max_length=config.sequence_length,
        size=config.size,
        num_blocks=config.num_blocks,
        num_heads=config.num_heads,
        mlp_size=config.mlp_size,
        positions=config.positions,
        word_dropout_rate=config.word_dropout_rate,
        dropout_rate=config.dropout_rate,
        dtype=config.dtype,
    )


def train(config: Config) -> tuple[Run, dict[str, Any]]:
    """Data, tokens, model, training, scores and figures of one run."""
    dataset = load(config.dataset, config.data_dir, config.validation_fraction)
    run = open_run("transformer", config, dataset)
    tokens = tokenise_for_run(dataset, config, run)
    model = build_model(config)
    trained, logits, summary = train_classifier(run, config, model, tokens, TEXT_TASK)
    draw_text_figures(run, dataset, logits)
    draw_attention(run, config, model, trained.variables)
    return run, summary


def draw_attention(run: Run, config: Config, model: TextTransformer, variables: Any) -> None:
    """The attention of the last block over a sentence."""
    tokenizer = load_tokenizer(tokenizer_path(run))
    words = tokenizer.encode(SENTENCE).tokens[: config.sequence_length]
    inputs = encode(tokenizer, [SENTENCE], len(words))
    _, sown = model.apply(
        variables,
        jnp.asarray(inputs["tokens"]),
        jnp.asarray(inputs["length"]),
        train=False,
        mutable=["intermediates"],
    )
    block = sown["intermediates"][f"EncoderBlock_{config.num_blocks - 1}"]
    weights = np.asarray(block["SelfAttention_0"]["attention"][0][0])
    text_figures.attention_map(words, weights, run.figures / "attention.png")


if __name__ == "__main__":
    run_command(lambda: launch("transformer", PRESETS, train, description=__doc__))
