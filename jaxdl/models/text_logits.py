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
    outputs = Dense(num_outputs(num_classes), dtype=dtype, name="head")(features)
    return with_first_logit(outputs.astype(jnp.float32), num_classes)


def num_outputs(num_classes: int) -> int:
    """Returns the number of logits that are computed: one for two classes."""
    return 1 if num_classes == 2 else num_classes


def with_first_logit(outputs: jax.Array, num_classes: int) -> jax.Array:
    """Prepends the logit 0 of the first of two classes; returns other logits unchanged."""
    if num_classes != 2:
        return outputs
    return jnp.concatenate([jnp.zeros_like(outputs), outputs], axis=-1)
