"""The BERT family of text encoders (Devlin et al. 2018; DistilBERT: Sanh et al. 2019)."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.text_logits import mean_over_time
from jaxdl.models.transformer import EncoderBlock, exact_gelu
from jaxdl.nn import Dense

Pooling = Literal["mean", "tanh", "relu"]
EPSILON = 1e-12


class Bert(nn.Module):
    """Embeddings, post-norm encoder blocks, pooling into one vector per text, and a dense head.

    The layers are named `embedding`, `embedding_norm`, `block_0`, `block_1`, ..., `pooler`,
    `head`; the parameters that belong to no layer are `positions` and `token_types`.

    Attributes:
      vocabulary_size: number of tokens, padding (0) included.
      max_length: length of the longest text in tokens.
      num_token_types: number of token types, which tell a first sentence from a second one; 0 for
        a model that does not distinguish them.
      embed_dim: width of the embedding and of all blocks.
      num_layers: number of encoder blocks.
      num_heads: number of attention heads.
      mlp_dim: number of hidden units of each block's MLP.
      pooling: "mean" averages the tokens of the text (Reimers and Gurevych 2019, section 3);
        "tanh", as in BERT, and "relu", as in DistilBERT's classifiers, apply one more dense
        layer with that activation to the first token.
      dropout_rate: probability that an entry of the embedding, of the outputs of the attention
        and of the MLP, and of the pooled vector is dropped in training.
      num_classes: number of logits; 0 omits the head, so that the pooled vector is returned.
      dtype: dtype of the computation; parameters are float32.
    """

    vocabulary_size: int = 30_522
    max_length: int = 512
    num_token_types: int = 2
    embed_dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_dim: int = 3072
    pooling: Pooling = "tanh"
    dropout_rate: float = 0.0
    num_classes: int = 2
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        tokens: jax.Array,
        length: jax.Array,
        token_types: jax.Array | None = None,
        *,
        train: bool,
    ) -> jax.Array:
        """Returns the logits of texts.

        Args:
          tokens: int32 (batch, time), padded at the end, time at most ``max_length``.
          length: int32 (batch,), number of tokens before the padding, at least 1.
          token_types: int32 (batch, time); None if all are of type 0.
          train: whether dropout is active.

        Returns:
          float32 (batch, num_classes), or (batch, embed_dim) without a head.
        """
        time = tokens.shape[1]
        mask = jnp.arange(time) < length[:, None]
        drop = partial(nn.Dropout(self.dropout_rate), deterministic=not train)
        table = nn.initializers.normal(0.02)
        x = nn.Embed(self.vocabulary_size, self.embed_dim, embedding_init=table, name="embedding")(
            tokens
        )
        x += self.param("positions", table, (self.max_length, self.embed_dim))[:time]
        if self.num_token_types:
            types = self.param("token_types", table, (self.num_token_types, self.embed_dim))
            x += types[0] if token_types is None else types[token_types]
        x = drop(nn.LayerNorm(epsilon=EPSILON, dtype=self.dtype, name="embedding_norm")(x))
        for index in range(self.num_layers):
            x = EncoderBlock(
                self.num_heads,
                self.mlp_dim,
                norm_first=False,
                activation=exact_gelu,
                epsilon=EPSILON,
                dropout_rate=self.dropout_rate,
                dtype=self.dtype,
                name=f"block_{index}",
            )(x, mask, train)
        x = x.astype(jnp.float32)
        if self.pooling == "mean":
            x = mean_over_time(x, mask, time_axis=1)
        else:
            x = getattr(nn, self.pooling)(Dense(self.embed_dim, name="pooler")(x[:, 0]))
        return Dense(self.num_classes, name="head")(drop(x)) if self.num_classes else x


BERTS: dict[str, Callable[..., Bert]] = {
    "bert-base": Bert,
    "distilbert": partial(Bert, num_token_types=0, num_layers=6, pooling="relu"),
    "minilm": partial(Bert, embed_dim=384, num_layers=6, mlp_dim=1536),
}
