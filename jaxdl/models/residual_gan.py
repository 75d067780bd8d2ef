"""A GAN of residual blocks, for 28x28 and other images.

Two ideas are from Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern GAN Baseline":
the discriminator has no normalisation layers, and each block is initialised as the identity. The
generator has batch normalisation, like that of the DCGAN.
"""

import math
from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.models.gan import TransposedConv, logit_of_real, with_class
from jaxdl.nn import Conv, Dense

leaky_relu = partial(nn.leaky_relu, negative_slope=0.2)  # as in Radford et al. 2015, section 4


class ResidualGenerator(nn.Module):
    """Makes images from noise: a residual block at a quarter of the resolution, one at half of it.

    The layers are named `dense_0`, `block_0`, `upsample_0`, `block_1`, `norm`, `head`; and with
    classes `embedding`, see `jaxdl.models.gan.with_class`.

    Attributes:
      image_shape: height and width of the images, multiples of 4, and number of channels.
      features: number of channels at half the resolution; at a quarter there are twice as many.
      num_classes: number of classes that can be requested; 0 for an unconditional generator.
      dtype: dtype of the computation; parameters and batch statistics are float32.
    """

    image_shape: tuple[int, int, int] = (28, 28, 1)
    features: int = 48
    num_classes: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, noise: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Maps noise, and labels if any, to images: see `jaxdl.models.gan.Generator`."""
        height, width, channels = self.image_shape
        start = (height // 4, width // 4, 2 * self.features)
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.99, dtype=self.dtype)
        upsample = partial(TransposedConv, kernel_size=(4, 4), strides=(2, 2), dtype=self.dtype)
        x = with_class(noise, labels, self.num_classes)
        x = Dense(math.prod(start), dtype=self.dtype, name="dense_0")(x).reshape(-1, *start)
        x = ResidualBlock(norm, dtype=self.dtype, name="block_0")(x)
        x = upsample(self.features, name="upsample_0")(x)
        x = ResidualBlock(norm, dtype=self.dtype, name="block_1")(x)
        x = leaky_relu(norm(name="norm")(x))
        return jnp.tanh(upsample(channels, name="head")(x).astype(jnp.float32))


class ResidualDiscriminator(nn.Module):
    """Tells real images from generated ones: a residual block at half resolution, one at a quarter.

    The layers are named `conv_0`, `block_0`, `conv_1`, `block_1`, `head`.

    Attributes:
      features: number of channels at half the resolution; at a quarter there are twice as many.
      num_classes: number of classes; 0 for none. See `jaxdl.models.gan.logit_of_real`.
      dtype: dtype of the computation; parameters are float32.
    """

    features: int = 48
    num_classes: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Maps images, and their labels if any, to float32 logits (batch,) of "real"."""
        del train  # nothing is dropped
        shrink = partial(Conv, kernel_size=(4, 4), strides=(2, 2), dtype=self.dtype)
        x = images
        for index in range(2):
            x = shrink(2**index * self.features, name=f"conv_{index}")(x)
            x = ResidualBlock(dtype=self.dtype, name=f"block_{index}")(x)
        return logit_of_real(leaky_relu(x), labels, self.num_classes, dtype=self.dtype)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each after an activation, added to the input; initially the identity.

    The layers are named `conv_0` and `conv_1`, and with normalisation `norm_0` and `norm_1`.

    Attributes:
      norm: builds the normalisation before an activation; None for none.
      dtype: dtype of the computation; parameters are float32.
    """

    norm: Callable[..., nn.Module] | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Maps (batch, height, width, channels) to the same shape."""
        conv = partial(Conv, inputs.shape[-1], (3, 3), dtype=self.dtype)
        inits = ({}, {"kernel_init": nn.initializers.zeros})
        x = inputs
        for index, init in enumerate(inits):
            if self.norm:
                x = self.norm(name=f"norm_{index}")(x)
            x = conv(name=f"conv_{index}", **init)(leaky_relu(x))
        return inputs + x
