"""What a language model is trained to predict: the next token, or masked tokens."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.data.tokenizer import PADDING_ID
from jaxdl.training.pipeline import Batch

MASKED, BECOME_MASK, BECOME_RANDOM = 0.15, 0.8, 0.1
"""Share of tokens that are predicted, and shares of these that become a mask or a random token."""


class Targets(NamedTuple):
    """The inputs of a language model, and what it has to predict from them.

    Attributes:
      tokens: int32 (batch, time), the input.
      length: int32 (batch,), number of tokens before the padding.
      positions: int32 (batch, targets), indices along the time axis of the model's outputs.
      targets: int32 (batch, targets), the token to predict at each of these positions.
      weights: float32 (batch, targets), 1, or 0 for targets that do not count.
    """

    tokens: jax.Array
    length: jax.Array
    positions: jax.Array
    targets: jax.Array
    weights: jax.Array


Objective = Callable[[Batch, jax.Array], Targets]


def next_token(batch: Batch, key: jax.Array, bidirectional: bool = False) -> Targets:
    """Predicts the token after each token; if bidirectional, also the one before.

    Args:
      batch: "tokens" int32 (batch, time) and "length" int32 (batch,).
      key: has no effect.
      bidirectional: whether the model predicts in both directions, see
        `jaxdl.models.language_models.RecurrentLanguageModel`.
    """
    del key
    tokens, length = batch["tokens"], batch["length"]
    time = tokens.shape[1]
    positions, targets = jnp.arange(time - 1), tokens[:, 1:]
    weights = (jnp.arange(1, time) < length[:, None]).astype(jnp.float32)
    if bidirectional:
        positions = jnp.concatenate([positions, time + 1 + positions])
        targets = jnp.concatenate([targets, tokens[:, :-1]], axis=1)
        weights = jnp.concatenate([weights, weights], axis=1)
    return Targets(tokens, length, jnp.broadcast_to(positions, targets.shape), targets, weights)


def masked_tokens(batch: Batch, key: jax.Array, vocabulary_size: int) -> Targets:
    """Predicts random tokens of each text, most of them masked (Devlin et al. 2018, section 3.1).

    A mask is a padding token within the text.

    Args:
      batch: "tokens" int32 (batch, time) and "length" int32 (batch,).
      key: decides which tokens are predicted, and which become a mask or a random token.
      vocabulary_size: number of tokens in the vocabulary.
    """
    tokens, length = batch["tokens"], batch["length"]
    time = tokens.shape[1]
    order_key, kind_key, token_key = jax.random.split(key, 3)
    order = jax.random.uniform(order_key, tokens.shape)
    order = jnp.where(jnp.arange(time) < length[:, None], order, 1.0)
    positions = jnp.argsort(order, axis=1)[:, : max(1, round(MASKED * time))]
    count = jnp.maximum(1, jnp.round(MASKED * length))
    weights = (jnp.arange(positions.shape[1]) < count[:, None]).astype(jnp.float32)
    targets = jnp.take_along_axis(tokens, positions, axis=1)

    kind = jax.random.uniform(kind_key, positions.shape)
    random = jax.random.randint(token_key, positions.shape, 1, vocabulary_size)
    shown = jnp.where(kind < BECOME_MASK, PADDING_ID, targets)
    shown = jnp.where(kind >= 1 - BECOME_RANDOM, random, shown)
    shown = jnp.where(weights > 0, shown, targets)
    rows = jnp.arange(len(tokens))[:, None]
    return Targets(tokens.at[rows, positions].set(shown), length, positions, targets, weights)
