"""The last layer of the networks that classify texts."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Dense


def text_logits(features: jax.Array, num_classes: int, dtype: DTypeLike) -> jax.Array:
    """Maps features (batch, width) to float32 logits (batch, num_classes) by a layer `head`.

    The layer belongs to the module that calls this function. For two classes it gives one
    logit, that of the second class, and the logit of the first class is 0: the softmax of the
    pair is then the sigmoid of the one logit.
    """
    num_logits = 1 if num_classes == 2 else num_classes
    logits = Dense(num_logits, dtype=dtype, name="head")(features).astype(jnp.float32)
    if num_classes != 2:
        return logits
    return jnp.concatenate([jnp.zeros_like(logits), logits], axis=-1)
