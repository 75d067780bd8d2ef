"""A Transformer encoder that classifies texts (Vaswani et al. 2017)."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.ngram_ratios import ngram_ratios, sum_ratios
from jaxdl.models.text_embedding import embed_words
from jaxdl.models.text_logits import mean_over_time, text_logits
from jaxdl.nn import Dense, DenseGeneral, attend

Activation = Callable[[jax.Array], jax.Array]
Positions = Literal["learned", "rotary"]

exact_gelu = partial(nn.gelu, approximate=False)


class SelfAttention(nn.Module):
    """Multi-head self-attention over the tokens that are not padding.

    The layers are named `query_key_value`, `output`. If the collection "intermediates" is
    mutable, the attention weights are sown into it as "attention", float32 (batch, heads, time,
    time).

    Attributes:
      num_heads: number of heads; it divides the width of the input.
      rotary: whether queries and keys are rotated by their position.
      dropout_rate: probability that an entry of the output is dropped in training.
      dtype: dtype of the computation; parameters are float32.
    """

    num_heads: int
    rotary: bool = False
    dropout_rate: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array | None, *, train: bool) -> jax.Array:
        """Maps (batch, time, width) to the same shape; ``mask`` is bool (batch, time) or None."""
        width = inputs.shape[-1]
        heads = (self.num_heads, width // self.num_heads)
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
        outputs = DenseGeneral(width, axis=(-2, -1), dtype=self.dtype, name="output")(attended)
        return nn.Dropout(self.dropout_rate, deterministic=not train)(outputs)


def rotate_by_position(x: jax.Array) -> jax.Array:
    """Rotates (batch, time, heads, width) by position: RoPE (Su et al. 2021, section 3.4)."""
    _, time, _, width = x.shape
    frequencies = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
    angles = (jnp.arange(time)[:, None] * frequencies)[:, None, :]
    cosine, sine = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], -1)


class EncoderBlock(nn.Module):
    """Attention and an MLP of two layers, each added to its input, and layer normalisation.

    The layers are named `attention`, `norm_0` (the attention's), `dense_0`, `dense_1` (the MLP),
    `norm_1` (the MLP's).

    Attributes:
      num_heads: number of attention heads.
      mlp_dim: number of hidden units of the MLP.
      norm_first: whether the inputs of both are normalised (pre-norm: Xiong et al. 2020, "On Layer
        Normalization in the Transformer Architecture"), not the sums (Vaswani et al. 2017).
      rotary: whether positions are encoded by rotation.
      activation: activation function of the hidden units.
      epsilon: added to the variance in layer normalisation.
      dropout_rate: probability that an output of the attention or MLP is dropped in training.
      drop_path_rate: probability that the attention, or the MLP, is skipped for an example in
        training (stochastic depth: Huang et al. 2016, section 3).
      dtype: dtype of the computation; parameters are float32.
    """

    num_heads: int
    mlp_dim: int
    norm_first: bool = True
    rotary: bool = False
    activation: Activation = nn.gelu
    epsilon: float = 1e-6
    dropout_rate: float = 0.0
    drop_path_rate: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, mask: jax.Array | None, train: bool) -> jax.Array:
        """Maps (batch, time, width) to the same shape; ``mask`` is bool (batch, time) or None."""
        norm = partial(nn.LayerNorm, epsilon=self.epsilon, dtype=self.dtype)
        norm_0, norm_1 = norm(name="norm_0"), norm(name="norm_1")
        drop = partial(nn.Dropout, deterministic=not train)
        drop_path = drop(self.drop_path_rate, broadcast_dims=(1, 2))

        def attention(x: jax.Array) -> jax.Array:
            layer = SelfAttention(
                self.num_heads, self.rotary, self.dropout_rate, self.dtype, name="attention"
            )
            return drop_path(layer(x, mask, train=train))

        def mlp(x: jax.Array) -> jax.Array:
            x = self.activation(Dense(self.mlp_dim, dtype=self.dtype, name="dense_0")(x))
            x = Dense(inputs.shape[-1], dtype=self.dtype, name="dense_1")(x)
            return drop_path(drop(self.dropout_rate)(x))

        if self.norm_first:
            x = inputs + attention(norm_0(inputs))
            return x + mlp(norm_1(x))
        x = norm_0(inputs + attention(inputs))
        return norm_1(x + mlp(x))


class TransformerEncoder(nn.Module):
    """Embedding and encoder blocks: what a classifier and a language model share.

    The layers are named `embedding`, `block_0`, `block_1`, ..., `norm`; learned positions are the
    parameter `positions`.

    Attributes:
      vocabulary_size: number of tokens, padding (0) included.
      max_length: length of the longest text in tokens, for learned positions.
      embed_dim: width of the embedding and of all blocks.
      num_layers: number of encoder blocks.
      num_heads: number of attention heads.
      mlp_dim: number of hidden units of each block's MLP.
      positions: "learned" or "rotary".
      word_dropout_rate: probability that the embedding of a word is dropped in training.
      dropout_rate: probability that an entry of the embedding, of the output of an attention or
        MLP, or of the output of the encoder, pooled or not, is dropped in training.
      dtype: dtype of the computation; parameters are float32.
    """

    vocabulary_size: int = 10_000
    max_length: int = 200
    embed_dim: int = 64
    num_layers: int = 1
    num_heads: int = 4
    mlp_dim: int = 128
    positions: Positions = "learned"
    word_dropout_rate: float = 0.0
    dropout_rate: float = 0.1
    dtype: DTypeLike = jnp.float32

    def encode(self, tokens: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns the normalised output of the last block, (batch, time, embed_dim).

        Args:
          tokens: int32 (batch, time), time at most ``max_length``.
          mask: bool (batch, time), False at padding.
          train: whether dropout is active.
        """
        x = embed_words(self, tokens, time_axis=1)
        x = nn.Dropout(self.word_dropout_rate, broadcast_dims=(2,), deterministic=not train)(x)
        if self.positions == "learned":
            table = self.param(
                "positions", nn.initializers.normal(0.02), (self.max_length, self.embed_dim)
            )
            x += table[: tokens.shape[1]].astype(self.dtype)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        for index in range(self.num_layers):
            x = EncoderBlock(
                self.num_heads,
                self.mlp_dim,
                rotary=self.positions == "rotary",
                dropout_rate=self.dropout_rate,
                dtype=self.dtype,
                name=f"block_{index}",
            )(x, mask, train)
        return nn.LayerNorm(dtype=self.dtype, name="norm")(x)


class TextTransformer(TransformerEncoder):
    """The encoder, the mean over the tokens of the text, and a layer `head` for the logits.

    In a network that reads n-grams, a layer named `ratio_weights` computes a weight for each ratio
    at each word from the output of the last block; all weights are 1 before training. The head also
    reads the sums of the weighted ratios.

    Attributes:
      ngrams: number of words of the longest n-grams whose ratios the network reads; 0 for none.
      ngram_buckets: number of buckets into which they are hashed.
      num_classes: number of logits.
    """

    ngrams: int = 0
    ngram_buckets: int = 2**22
    num_classes: int = 2

    @nn.compact
    def __call__(
        self, tokens: jax.Array, length: jax.Array, ratios: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Returns float32 logits (batch, num_classes); with two classes the first is always 0.

        Args:
          tokens: int32 (batch, time), padded at the end, time at most ``max_length``.
          length: int32 (batch,), number of tokens before the padding, at least 1.
          ratios: float (batch, time, features), the ratios of the n-grams; None to compute them
            from the counts in "batch_stats" if the network reads n-grams; see `ngram_ratios`.
          train: whether dropout is active.
        """
        mask = jnp.arange(tokens.shape[1]) < length[:, None]
        encoded = self.encode(tokens, mask, train)
        dropout = nn.Dropout(self.dropout_rate, deterministic=not train)
        x = dropout(mean_over_time(encoded, mask, time_axis=1))
        ratios = ngram_ratios(self, tokens, length, ratios)
        if ratios is not None:
            corrections = Dense(
                ratios.shape[-1],
                dtype=self.dtype,
                kernel_init=nn.initializers.zeros,
                name="ratio_weights",
            )(dropout(encoded))
            weights = 1 + corrections.astype(jnp.float32)
            x = jnp.concatenate([x, sum_ratios(ratios, weights).astype(self.dtype)], axis=-1)
        return text_logits(x, self.num_classes, self.dtype)
