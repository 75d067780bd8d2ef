"""Convolutional networks without residual connections: the tutorial's, LeNet-5, a small VGG."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, Dense, max_pool


class CNN(nn.Module):
    """The network of the Keras tutorial: two 3x3 convolutions, each pooled, and a dense layer.

    The layers are named `conv_0`, `conv_1`, `dense_0`, `head`. If the collection
    "intermediates" is mutable, the activations of the dense layer are sown into it as
    "features", (batch, width).

    Attributes:
      features: number of channels of each convolution.
      width: number of units of the dense layer.
      num_classes: number of logits.
      dropout_rate: probability that a unit of the dense layer is dropped in training.
      dtype: dtype of the computation; parameters are float32.
    """

    features: Sequence[int] = (32, 64)
    width: int = 128
    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        x = images
        for index, features in enumerate(self.features):
            x = Conv(features, (3, 3), padding="VALID", dtype=self.dtype, name=f"conv_{index}")(x)
            x = max_pool(nn.relu(x), 2)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(Dense(self.width, dtype=self.dtype, name="dense_0")(x))
        self.sow("intermediates", "features", x)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Dense(self.num_classes, dtype=self.dtype, name="head")(x).astype(jnp.float32)


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al. 1998, "Gradient-Based Learning", section II.B), as it is taught today.

    ReLU and max-pooling replace the paper's scaled tanh and trainable average pooling, and the
    second convolution sees all channels: 61,706 parameters on 28x28 grey images. The layers are
    named `conv_0`, `conv_1`, `dense_0`, `dense_1`, `head`.

    Attributes:
      num_classes: number of logits.
      dtype: dtype of the computation; parameters are float32.
    """

    num_classes: int = 10
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        del train  # the network has neither dropout nor batch statistics
        x = Conv(6, (5, 5), padding="SAME", dtype=self.dtype, name="conv_0")(images)
        x = max_pool(nn.relu(x), 2)
        x = Conv(16, (5, 5), padding="VALID", dtype=self.dtype, name="conv_1")(x)
        x = max_pool(nn.relu(x), 2)
        x = x.reshape(x.shape[0], -1)
        for index, width in enumerate((120, 84)):
            x = nn.relu(Dense(width, dtype=self.dtype, name=f"dense_{index}")(x))
        return Dense(self.num_classes, dtype=self.dtype, name="head")(x).astype(jnp.float32)


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each stage pooled (Simonyan and Zisserman 2014, section 2.1).

    It is small enough for 28x28 images; batch normalisation (Ioffe and Szegedy 2015) replaces
    the paper's careful initialisation. The layers are named `conv_0`, `norm_0`, `conv_1`, ...,
    counted over all stages, and `dense_0`, `head`.

    Attributes:
      stages: for each stage, the number of channels of each of its convolutions.
      width: number of units of the dense layer.
      num_classes: number of logits.
      dropout_rate: probability that a unit of the dense layer is dropped in training.
      dtype: dtype of the computation; parameters and batch statistics are float32.
    """

    stages: Sequence[Sequence[int]] = ((32, 32), (64, 64), (128, 128))
    width: int = 128
    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        conv = partial(Conv, kernel_size=(3, 3), use_bias=False, dtype=self.dtype)
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=self.dtype)
        x = images
        index = 0
        for stage in self.stages:
            for features in stage:
                x = conv(features, name=f"conv_{index}")(x)
                x = nn.relu(norm(name=f"norm_{index}")(x))
                index += 1
            x = max_pool(x, 2)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(Dense(self.width, dtype=self.dtype, name="dense_0")(x))
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return Dense(self.num_classes, dtype=self.dtype, name="head")(x).astype(jnp.float32)
