"""Recurrent networks that classify texts: SimpleRNN, LSTM, GRU, in one or both directions."""

from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.ngram_ratios import ngram_ratios
from jaxdl.models.text_embedding import embed_words
from jaxdl.models.text_logits import mean_over_time, text_logits
from jaxdl.nn import CELLS, Dense, recurrence

CellName = Literal["simple", "lstm", "gru"]


class RecurrentLayer(nn.Module):
    """One recurrent layer in one direction.

    Its parameters are named `input/kernel`, `kernel` (of the hidden state), `bias`.

    Attributes:
      cell: "simple", "lstm" or "gru".
      features: width of the hidden state.
      reverse: whether the layer reads from the end to the start.
      dtype: dtype of the computation; parameters are float32.
    """

    cell: CellName
    features: int
    reverse: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array) -> jax.Array:
        """Returns the hidden state after each time step, float (time, batch, features).

        Args:
          inputs: float (time, batch, width).
          mask: bool (time, batch), False at padding, which leaves the hidden state unchanged.
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
        """Returns zeros; ones for an LSTM's forget gate (Jozefowicz et al. 2015, section 2.2)."""
        bias = jnp.zeros(shape)
        if self.cell == "lstm":
            bias = bias.at[self.features : 2 * self.features].set(1.0)
        return bias


class RecurrentEncoder(nn.Module):
    """Embedding and recurrent layers: what a classifier and a language model share.

    The layers are named `embedding`, `ratios`, `layer_0`, `layer_0_reverse`, `layer_1`, ...; those
    with the suffix `_reverse` exist in bidirectional networks only, and `ratios`, whose outputs are
    added to the embedding, in networks that read n-grams.

    Attributes:
      vocabulary_size: number of tokens, padding (0) included.
      embed_dim: width of the embedding.
      cell: "simple", "lstm" or "gru".
      hidden_dim: width of the hidden state of each direction of each layer.
      num_layers: number of stacked recurrent layers.
      bidirectional: whether each layer reads in both directions.
      embedding_dropout_rate: probability that a dimension of the embedding is dropped in training,
        at all time steps of a text at once (Gal and Ghahramani 2015, section 4).
      word_dropout_rate: probability that the embedding of a word is dropped in training.
      dropout_rate: probability that an input of the layer `head` is dropped in training.
      dtype: dtype of the computation; parameters are float32.
    """

    vocabulary_size: int = 10_000
    embed_dim: int = 128
    cell: CellName = "simple"
    hidden_dim: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    embedding_dropout_rate: float = 0.0
    word_dropout_rate: float = 0.0
    dropout_rate: float = 0.2
    dtype: DTypeLike = jnp.float32

    def encode(
        self, tokens: jax.Array, mask: jax.Array, train: bool, ratios: jax.Array | None = None
    ) -> jax.Array:
        """Returns the hidden states of the last layer, (time, batch, features).

        A bidirectional network concatenates the states of both directions along the last axis.

        Args:
          tokens: int32 (time, batch).
          mask: bool (time, batch), False at padding.
          train: whether dropout is active.
          ratios: float (batch, time, features), see `ngram_ratios`; None to read no n-grams.
        """
        x = embed_words(self, tokens, time_axis=0)
        if ratios is not None:
            x += Dense(self.embed_dim, dtype=self.dtype, name="ratios")(ratios.swapaxes(0, 1))
        x = nn.Dropout(self.word_dropout_rate, broadcast_dims=(2,), deterministic=not train)(x)
        x = nn.Dropout(self.embedding_dropout_rate, broadcast_dims=(0,), deterministic=not train)(x)
        layer = partial(RecurrentLayer, self.cell, self.hidden_dim, dtype=self.dtype)
        for index in range(self.num_layers):
            states = layer(name=f"layer_{index}")(x, mask)
            if self.bidirectional:
                reverse = layer(reverse=True, name=f"layer_{index}_reverse")(x, mask)
                states = jnp.concatenate([states, reverse], axis=-1)
            x = states
        return x


class TextRNN(RecurrentEncoder):
    """The encoder, pooling, and the tutorial's head: a dense layer of 32 units, dropout, logits.

    The layers of the head are named `dense_0`, `head`.

    Attributes:
      ngrams: number of words of the longest n-grams whose ratios the network reads; 0 for none.
      ngram_buckets: number of buckets into which they are hashed.
      pooling: how the hidden states are pooled over time: the "last" one, their "mean", their
        "max".
      num_classes: number of logits.
    """

    ngrams: int = 0
    ngram_buckets: int = 2**22
    pooling: Literal["last", "mean", "max"] = "last"
    num_classes: int = 2

    @nn.compact
    def __call__(
        self, tokens: jax.Array, length: jax.Array, ratios: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Returns float32 logits (batch, num_classes); with two classes the first is always 0.

        Args:
          tokens: int32 (batch, time), padded at the end.
          length: int32 (batch,), number of tokens before the padding, at least 1.
          ratios: float (batch, time, features), the ratios of the n-grams; None to compute them
            from the counts in "batch_stats" if the network reads n-grams; see `ngram_ratios`.
          train: whether dropout is active.
        """
        mask = jnp.arange(tokens.shape[1])[:, None] < length
        ratios = ngram_ratios(self, tokens, length, ratios)
        x = self._pool(self.encode(tokens.T, mask, train, ratios), mask)
        x = nn.relu(Dense(32, dtype=self.dtype, name="dense_0")(x))
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return text_logits(x, self.num_classes, self.dtype)

    def _pool(self, states: jax.Array, mask: jax.Array) -> jax.Array:
        """Maps hidden states (time, batch, features) to (batch, features), ignoring the padding."""
        if self.pooling == "mean":
            return mean_over_time(states, mask, time_axis=0)
        if self.pooling == "max":
            return jnp.where(mask[:, :, None], states, -jnp.inf).max(0)
        last = states[-1]
        if not self.bidirectional:
            return last
        return jnp.concatenate(
            [last[:, : self.hidden_dim], states[0, :, self.hidden_dim :]], axis=-1
        )
