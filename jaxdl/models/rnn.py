"""Recurrent networks that read a text: SimpleRNN, LSTM, GRU, in one or both directions."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import CELLS, Dense, recurrence

CellName = Literal["simple", "lstm", "gru"]


class RecurrentLayer(nn.Module):
    """One recurrent layer in one direction.

    Attributes:
      cell: "simple", "lstm" or "gru".
      features: size of the hidden state.
      reverse: whether it reads from the end to the start.
      dtype: of the computation; parameters are float32.
    """

    cell: CellName
    features: int
    reverse: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
        """Hidden states after each step.

        Args:
          inputs: float (time, batch, size).
          mask: bool (time, batch), False at padding, which changes no state.

        Returns:
          float (time, batch, features).
        """
        cell = CELLS[self.cell]
        width = cell.gates * self.features
        projected = Dense(width, use_bias=False, dtype=self.dtype, name="input")(inputs)
        kernel = self.param("kernel", nn.initializers.orthogonal(), (self.features, width))
        bias = self.param("bias", self._initial_bias, (width,))
        if self.reverse:
            projected, mask = projected[::-1], mask[::-1]
        kernel, bias = kernel.astype(self.dtype), bias.astype(self.dtype)
        gates = tuple(jnp.split(projected, cell.gates, axis=-1))
        hidden = recurrence(cell, gates, kernel, bias, mask)
        return hidden[::-1] if self.reverse else hidden

    def _initial_bias(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Zeros, but ones for the forget gate of an LSTM (Jozefowicz et al. 2015, section 2.2)."""
        bias = jnp.zeros(shape)
        if self.cell == "lstm":
            bias = bias.at[self.features : 2 * self.features].set(1.0)
        return bias


class TextRNN(nn.Module):
    """Embedding, recurrent layers, the tutorial's head: dense 32, dropout, one logit.

    Attributes:
      vocabulary_size: number of tokens, padding (0) included.
      embedding_size: of a token's vector.
      cell: "simple", "lstm" or "gru".
      hidden_size: of each direction of each layer.
      num_layers: recurrent layers on top of each other.
      bidirectional: whether each layer reads in both directions.
      pooling: what becomes of the states: the "last" one, their "mean", their "max".
      embedding_dropout_rate: probability that an entry of the embedding, the same in all
        places of a text, is dropped in training (Gal and Ghahramani 2015, section 4).
      word_dropout_rate: probability that a word is taken out in training.
      dropout_rate: probability that a unit of the head is dropped in training.
      dtype: of the computation; parameters are float32.
    """

    vocabulary_size: int = 10_000
    embedding_size: int = 128
    cell: CellName = "simple"
    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    pooling: Literal["last", "mean", "max"] = "last"
    embedding_dropout_rate: float = 0.0
    word_dropout_rate: float = 0.0
    dropout_rate: float = 0.2
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array, length: jax.Array, *, train: bool) -> jax.Array:
        """Logits of "negative", fixed at 0, and "positive": softmax of the pair is the sigmoid.

        Args:
          tokens: int32 (batch, time), padded at the end.
          length: int32 (batch,), how many tokens are text, at least 1.
          train: whether to drop.

        Returns:
          float32 (batch, 2).
        """
        tokens = tokens.T
        mask = jnp.arange(tokens.shape[0])[:, None] < length
        x = nn.Embed(self.vocabulary_size, self.embedding_size, dtype=self.dtype)(tokens)
        x = nn.Dropout(self.word_dropout_rate, broadcast_dims=(2,), deterministic=not train)(x)
        x = nn.Dropout(self.embedding_dropout_rate, broadcast_dims=(0,), deterministic=not train)(x)
        for _ in range(self.num_layers):
            directions = (False, True) if self.bidirectional else (False,)
            states = [
                RecurrentLayer(self.cell, self.hidden_size, reverse, self.dtype)(x, mask)
                for reverse in directions
            ]
            x = jnp.concatenate(states, axis=-1)
        x = self._pool(x, mask)
        x = nn.relu(nn.Dense(32, dtype=self.dtype)(x))
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        logit = nn.Dense(1, dtype=self.dtype)(x).astype(jnp.float32)
        return jnp.concatenate([jnp.zeros_like(logit), logit], axis=-1)

    def _pool(self, states: jax.Array, mask: jax.Array) -> jax.Array:
        """States (time, batch, features) to (batch, features); padding does not count."""
        present = mask[:, :, None]
        if self.pooling == "mean":
            return jnp.where(present, states, 0).sum(0) / present.sum(0)
        if self.pooling == "max":
            return jnp.where(present, states, -jnp.inf).max(0)
        last = states[-1]
        if not self.bidirectional:
            return last
        return jnp.concatenate(
            [last[:, : self.hidden_size], states[0, :, self.hidden_size :]], axis=-1
        )
