"""The last layers of the networks that read texts: pooling over the tokens, and the logits."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Dense


def mean_over_time(states: jax.Array, mask: jax.Array, time_axis: int) -> jax.Array:
    """Averages states over the tokens that are not padding.

    It says in plain operations what ``states.mean(time_axis, where=present)`` hides in functions
    under `jax.jit`, which jax2onnx 0.17 cannot convert with JAX 0.12.

    Args:
      states: (batch, time, features), or (time, batch, features).
      mask: bool (batch, time), or (time, batch), False at padding; each text has a token.
      time_axis: 1, or 0.

    Returns:
      (batch, features), of the dtype of ``states``.
    """
    present = mask[:, :, None]
    total = jnp.where(present, states, 0).sum(time_axis, dtype=jnp.float32)
    return (total / present.sum(time_axis)).astype(states.dtype)


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
