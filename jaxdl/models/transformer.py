"""A Transformer encoder that reads a text (Vaswani et al. 2017)."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Dense, DenseGeneral, attend

Activation = Callable[[jax.Array], jax.Array]
Positions = Literal["learned", "rotary"]

exact_gelu = partial(nn.gelu, approximate=False)


class SelfAttention(nn.Module):
    """Multi-head self-attention over the tokens that are not padding.

    Where the collection "intermediates" is mutable, the attention weights are sown into it
    as "attention", float32 (batch, heads, time, time).

    Attributes:
      num_heads: they divide the size of the input.
      rotary: whether queries and keys are turned by their position.
      dropout_rate: probability that an entry of the output is dropped in training.
      dtype: of the computation; parameters are float32.
    """

    num_heads: int
    rotary: bool = False
    dropout_rate: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array | None, *, train: bool) -> jax.Array:
        """Maps (batch, time, size) to the same shape; ``mask`` is bool (batch, time) or None."""
        size = inputs.shape[-1]
        heads = (self.num_heads, size // self.num_heads)
        projected = DenseGeneral((3, *heads), dtype=self.dtype, name="query_key_value")(inputs)
        query, key, value = jnp.moveaxis(projected, 2, 0)
        if self.rotary:
            query, key = rotate_by_position(query), rotate_by_position(key)
        if self.is_mutable_collection("intermediates"):
            scores = jnp.einsum("bqhd,bkhd->bhqk", query, key).astype(jnp.float32)
            present = None if mask is None else mask[:, None, None, :]
            weights = jax.nn.softmax(scores / heads[1] ** 0.5, where=present)
            self.sow("intermediates", "attention", weights)
        attended = attend(query, key, value, mask)
        outputs = DenseGeneral(size, axis=(-2, -1), dtype=self.dtype, name="output")(attended)
        return nn.Dropout(self.dropout_rate, deterministic=not train)(outputs)


def rotate_by_position(x: jax.Array) -> jax.Array:
    """Rotary position embedding (Su et al. 2021, section 3.4) of (batch, time, heads, size)."""
    _, time, _, size = x.shape
    frequencies = 10_000.0 ** (-jnp.arange(0, size, 2) / size)
    angles = (jnp.arange(time)[:, None] * frequencies)[:, None, :]
    cosine, sine = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)


class EncoderBlock(nn.Module):
    """Attention and a two-layer perceptron, each added to its input, and layer normalisation.

    Attributes:
      num_heads: of the attention.
      mlp_size: hidden units of the perceptron.
      norm_first: whether the inputs of both are normalised (Xiong et al. 2020, "On Layer
        Normalization in the Transformer Architecture"), or the sums (Vaswani et al. 2017).
      rotary: whether positions are rotary.
      activation: of the hidden units.
      epsilon: added to the variance in layer normalisation.
      dropout_rate: of the outputs of both.
      drop_path_rate: probability that attention, or the perceptron, is skipped for an
        example in training (stochastic depth: Huang et al. 2016, section 3).
      dtype: of the computation; parameters are float32.
    """

    num_heads: int
    mlp_size: int
    norm_first: bool = True
    rotary: bool = False
    activation: Activation = nn.gelu
    epsilon: float = 1e-6
    dropout_rate: float = 0.0
    drop_path_rate: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array | None, train: bool) -> jax.Array:
        """Maps (batch, time, size) to the same shape; ``mask`` is bool (batch, time) or None."""
        normalise = partial(nn.LayerNorm, epsilon=self.epsilon, dtype=self.dtype)
        drop = partial(nn.Dropout, deterministic=not train)
        drop_path = drop(self.drop_path_rate, broadcast_dims=(1, 2))

        def attention(x: jax.Array) -> jax.Array:
            layer = SelfAttention(self.num_heads, self.rotary, self.dropout_rate, self.dtype)
            return drop_path(layer(x, mask, train=train))

        def perceptron(x: jax.Array) -> jax.Array:
            x = self.activation(Dense(self.mlp_size, dtype=self.dtype)(x))
            x = Dense(inputs.shape[-1], dtype=self.dtype)(x)
            return drop_path(drop(self.dropout_rate)(x))

        if self.norm_first:
            x = inputs + attention(normalise()(inputs))
            return x + perceptron(normalise()(x))
        x = normalise()(inputs + attention(inputs))
        return normalise()(x + perceptron(x))


class TextTransformer(nn.Module):
    """Embedding, encoder blocks, mean over the text, one logit.

    Attributes:
      vocabulary_size: number of tokens, padding (0) included.
      max_length: longest text in tokens, for learned positions.
      size: of a token's vector.
      num_blocks: encoder blocks.
      num_heads: of each attention.
      mlp_size: hidden units of each block's perceptron.
      positions: "learned" or "rotary".
      word_dropout_rate: probability that a word is taken out in training.
      dropout_rate: of embedding, block outputs and head.
      dtype: of the computation; parameters are float32.
    """

    vocabulary_size: int = 10_000
    max_length: int = 200
    size: int = 64
    num_blocks: int = 1
    num_heads: int = 4
    mlp_size: int = 128
    positions: Positions = "learned"
    word_dropout_rate: float = 0.0
    dropout_rate: float = 0.1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, tokens: jax.Array, length: jax.Array, *, train: bool) -> jax.Array:
        """Logits of "negative", fixed at 0, and "positive": softmax of the pair is the sigmoid.

        Args:
          tokens: int32 (batch, time), padded at the end, time at most ``max_length``.
          length: int32 (batch,), how many tokens are text, at least 1.
          train: whether to drop.

        Returns:
          float32 (batch, 2).
        """
        time = tokens.shape[1]
        mask = jnp.arange(time) < length[:, None]
        x = nn.Embed(self.vocabulary_size, self.size, dtype=self.dtype)(tokens)
        x = nn.Dropout(self.word_dropout_rate, broadcast_dims=(2,), deterministic=not train)(x)
        if self.positions == "learned":
            table = self.param(
                "positions", nn.initializers.normal(0.02), (self.max_length, self.size)
            )
            x += table[:time].astype(self.dtype)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        for _ in range(self.num_blocks):
            x = EncoderBlock(
                self.num_heads,
                self.mlp_size,
                rotary=self.positions == "rotary",
                dropout_rate=self.dropout_rate,
                dtype=self.dtype,
            )(x, mask, train)
        x = nn.LayerNorm(dtype=self.dtype)(x)
        present = mask[:, :, None]
        x = jnp.where(present, x, 0).sum(1) / present.sum(1)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        logit = Dense(1, dtype=self.dtype)(x).astype(jnp.float32)
        return jnp.concatenate([jnp.zeros_like(logit), logit], axis=-1)
