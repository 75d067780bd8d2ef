"""Multi-layer perceptron (Rumelhart, Hinton and Williams 1986)."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Dense


class MLP(nn.Module):
    """Dense layers with ReLU and dropout between them, and a linear head.

    The layers are named `dense_0`, `dense_1`, ..., `head`.

    Attributes:
      widths: number of units of each hidden layer.
      num_classes: number of logits.
      dropout_rate: probability that a hidden unit is dropped in training.
      dtype: dtype of the computation; parameters are float32.
    """

    widths: Sequence[int] = (128, 64)
    num_classes: int = 10
    dropout_rate: float = 0.2
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool) -> jax.Array:
        """Maps inputs of shape (batch, ...) to float32 logits (batch, num_classes)."""
        x = inputs.reshape(inputs.shape[0], -1)
        for index, width in enumerate(self.widths):
            x = nn.relu(Dense(width, dtype=self.dtype, name=f"dense_{index}")(x))
            x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Dense(self.num_classes, dtype=self.dtype, name="head")(x).astype(jnp.float32)
