"""Language models: they predict tokens of a text from other ones (Bengio et al. 2003).

They are the encoders of the text classifiers with another head, whose outputs are multiplied by the
embedding: the product with the embedding of a token is the logit of this token (weight tying: Press
and Wolf 2017, "Using the Output Embedding to Improve Language Models").
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.models.rnn import RecurrentEncoder
from jaxdl.models.transformer import TransformerEncoder
from jaxdl.nn import Dense


class RecurrentLanguageModel(RecurrentEncoder):
    """Predicts each token from those before it and, if bidirectional, separately from those after.

    The head is a layer named `head`, which both directions share.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional and self.num_layers > 1:
            raise ValueError("A second bidirectional layer would see the token to predict.")

    @nn.compact
    def __call__(self, tokens: jax.Array, length: jax.Array, *, train: bool) -> jax.Array:
        """Returns vectors whose products with the embedding are the logits of the next token.

        Their shape is (batch, time, embed_dim). A bidirectional network appends those of the
        previous token along the time axis: (batch, 2 * time, embed_dim).

        Args:
          tokens: int32 (batch, time), padded at the end.
          length: int32 (batch,), number of tokens before the padding, at least 1.
          train: whether dropout is active.
        """
        mask = jnp.arange(tokens.shape[1])[:, None] < length
        states = self.encode(tokens.T, mask, train).swapaxes(0, 1)
        if self.bidirectional:
            states = jnp.concatenate(jnp.split(states, 2, axis=-1), axis=1)
        states = nn.Dropout(self.dropout_rate, deterministic=not train)(states)
        return Dense(self.embed_dim, dtype=self.dtype, name="head")(states)


class MaskedLanguageModel(TransformerEncoder):
    """Predicts masked tokens from all others (Devlin et al. 2018, "BERT", section 3.1).

    A mask is a padding token (0) within the text. The head is a layer named `head`.
    """

    @nn.compact
    def __call__(self, tokens: jax.Array, length: jax.Array, *, train: bool) -> jax.Array:
        """Returns vectors (batch, time, embed_dim), whose products with the embedding are logits.

        Args:
          tokens: int32 (batch, time), padded at the end, time at most ``max_length``.
          length: int32 (batch,), number of tokens before the padding, at least 1.
          train: whether dropout is active.
        """
        mask = jnp.arange(tokens.shape[1]) < length[:, None]
        x = self.encode(tokens, mask, train)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Dense(self.embed_dim, dtype=self.dtype, name="head")(x)
