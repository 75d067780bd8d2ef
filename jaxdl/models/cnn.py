"""Convolutional networks without residual connections: the tutorial's, LeNet-5, a small VGG."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, max_pool


class CNN(nn.Module):
    """The tutorial's network: two 3x3 convolutions, each pooled, and a dense layer.

    Where the collection "intermediates" is mutable, the units of the dense layer are sown
    into it as "features", (batch, hidden_size).

    Attributes:
      features: channels of each convolution.
      hidden_size: units of the dense layer.
      num_classes: number of logits.
      dropout_rate: probability that a dense unit is dropped in training.
      dtype: of the computation; parameters are float32.
    """

    features: Sequence[int] = (32, 64)
    hidden_size: int = 128
    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        x = images
        for features in self.features:
            x = Conv(features, (3, 3), padding="VALID", dtype=self.dtype)(x)
            x = max_pool(nn.relu(x), 2)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(self.hidden_size, dtype=self.dtype)(x))
        self.sow("intermediates", "features", x)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return nn.Dense(self.num_classes, dtype=self.dtype)(x).astype(jnp.float32)


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998, "Gradient-Based Learning", section II.B), as it is taught today.

    ReLU and max-pooling stand in for the paper's scaled tanh and trained averages, and
    the second convolution sees all channels: 61,706 parameters on 28x28 grey images.

    Attributes:
      num_classes: number of logits.
      dtype: of the computation; parameters are float32.
    """

    num_classes: int = 10
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        del train  # it has neither dropout nor batch statistics
        x = Conv(6, (5, 5), padding="SAME", dtype=self.dtype)(images)
        x = max_pool(nn.relu(x), 2)
        x = Conv(16, (5, 5), padding="VALID", dtype=self.dtype)(x)
        x = max_pool(nn.relu(x), 2)
        x = x.reshape(x.shape[0], -1)
        for size in (120, 84):
            x = nn.relu(nn.Dense(size, dtype=self.dtype)(x))
        return nn.Dense(self.num_classes, dtype=self.dtype)(x).astype(jnp.float32)


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each stage pooled (Simonyan and Zisserman 2014, section 2.1).

    Small enough for 28x28 images; batch normalisation (Ioffe and Szegedy 2015) replaces
    the paper's careful initialisation.

    Attributes:
      stages: for each stage, the channels of its convolutions.
      hidden_size: units of the dense layer.
      num_classes: number of logits.
      dropout_rate: probability that a dense unit is dropped in training.
      dtype: of the computation; parameters and batch statistics are float32.
    """

    stages: Sequence[Sequence[int]] = ((32, 32), (64, 64), (128, 128))
    hidden_size: int = 128
    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        x = images
        for stage in self.stages:
            for features in stage:
                x = Conv(features, (3, 3), use_bias=False, dtype=self.dtype)(x)
                x = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(x)
                x = nn.relu(x)
            x = max_pool(x, 2)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(self.hidden_size, dtype=self.dtype)(x))
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return nn.Dense(self.num_classes, dtype=self.dtype)(x).astype(jnp.float32)
