"""The DCGAN of the Keras tutorial (Radford et al. 2015), for 28x28 and other images."""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, Dense, convolve_transposed, default_kernel_init, with_flat_window

# The defaults of Keras.
leaky_relu = partial(nn.leaky_relu, negative_slope=0.3)
glorot_uniform = with_flat_window(nn.initializers.glorot_uniform())


class TransposedConv(nn.Module):
    """``nn.ConvTranspose`` with "SAME" padding and no bias, fast on every backend.

    Attributes:
      features: number of channels of the output.
      kernel_size: height and width of the kernel.
      strides: factors by which height and width grow.
      kernel_init: draws the initial kernel.
      dtype: dtype of the computation; parameters are float32.
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    kernel_init: nn.initializers.Initializer = default_kernel_init
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps (batch, height, width, channels) to (batch, new_height, new_width, features)."""
        shape = (*self.kernel_size, images.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        return convolve_transposed(
            images.astype(self.dtype), kernel.astype(self.dtype), self.strides
        )


class Generator(nn.Module):
    """Makes images from noise: a dense layer, then three transposed 5x5 convolutions.

    The layers are named `dense_0`, `norm_0`, `upsample_0`, `norm_1`, `upsample_1`, `norm_2`,
    `head`; and with classes `embedding`, see `with_class`.

    Attributes:
      image_shape: height and width of the images, multiples of 4, and number of channels.
      num_classes: number of classes that can be requested; 0 for an unconditional generator.
      dtype: dtype of the computation; parameters and batch statistics are float32.
    """

    image_shape: tuple[int, int, int] = (28, 28, 1)
    num_classes: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, noise: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Maps noise, and labels if there are classes, to images.

        Args:
          noise: float32 (batch, latent_dim).
          labels: int32 (batch,); None without classes.
          train: whether to normalise by the statistics of the batch, not by running averages.

        Returns:
          float32 (batch, *image_shape), in [-1, 1].
        """
        height, width, channels = self.image_shape
        start = (height // 4, width // 4, 256)
        normalise = partial(
            nn.BatchNorm,
            use_running_average=not train,
            momentum=0.99,
            epsilon=1e-3,
            dtype=self.dtype,
        )
        options = {"kernel_init": glorot_uniform, "dtype": self.dtype}
        upsample = partial(TransposedConv, kernel_size=(5, 5), **options)
        x = with_class(noise, labels, self.num_classes)
        x = Dense(math.prod(start), use_bias=False, **options, name="dense_0")(x)
        x = leaky_relu(normalise(name="norm_0")(x)).reshape(-1, *start)
        x = upsample(128, strides=(1, 1), name="upsample_0")(x)
        x = leaky_relu(normalise(name="norm_1")(x))
        x = upsample(64, strides=(2, 2), name="upsample_1")(x)
        x = leaky_relu(normalise(name="norm_2")(x))
        return jnp.tanh(upsample(channels, strides=(2, 2), name="head")(x).astype(jnp.float32))


def with_class(noise: jax.Array, labels: jax.Array | None, num_classes: int) -> jax.Array:
    """Appends an embedding of the class to each noise vector, by a new layer `embedding`.

    Call it in the compact ``__call__`` of a generator. See Mirza and Osindero 2014,
    "Conditional Generative Adversarial Nets".

    Args:
      noise: float32 (batch, latent_dim).
      labels: int32 (batch,); None without classes.
      num_classes: number of classes; 0 returns the noise unchanged.

    Returns:
      float32 (batch, 2 * latent_dim), or the noise.
    """
    if not num_classes:
        return noise
    # Initially, embeddings have a norm of about 1, and the noise one of about sqrt(latent_dim). If
    # the norms were equal, the generator would first make one image per class and ignore the noise.
    embedding = nn.Embed(num_classes, noise.shape[-1], name="embedding")(labels)
    return jnp.concatenate([noise, embedding], axis=-1)


class Discriminator(nn.Module):
    """Tells real images from generated ones: two 5x5 convolutions with stride 2, a dense layer.

    The layers are named `conv_0`, `conv_1`, `head`.

    Attributes:
      dropout_rate: probability that a unit is dropped in training.
      num_classes: number of classes; 0 for none. See `logit_of_real`.
      dtype: dtype of the computation; parameters are float32.
    """

    dropout_rate: float = 0.3
    num_classes: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, images: jax.Array, labels: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Maps images, and their labels if there are classes, to logits of "real".

        Args:
          images: float32 (batch, height, width, channels), in [-1, 1].
          labels: int32 (batch,); None without classes.
          train: whether dropout is active.

        Returns:
          float32 (batch,).
        """
        options = {"kernel_init": glorot_uniform, "dtype": self.dtype}
        conv = partial(Conv, kernel_size=(5, 5), strides=(2, 2), **options)
        x = images
        for index, features in enumerate((64, 128)):
            x = leaky_relu(conv(features, name=f"conv_{index}")(x))
            x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return logit_of_real(x, labels, self.num_classes, **options)


def logit_of_real(
    features: jax.Array, labels: jax.Array | None, num_classes: int, **options: Any
) -> jax.Array:
    """Maps the features of images to logits of "real", by a new layer `head`.

    Call it in the compact ``__call__`` of a discriminator. With classes, the head computes a logit
    for each, and that of the image's label is returned (Miyato and Koyama 2018, "cGANs with
    Projection Discriminator", section 3; there, the logits of all classes also share a term that
    does not depend on the label).

    Args:
      features: (batch, height, width, channels).
      labels: int32 (batch,); None without classes.
      num_classes: number of classes; 0 for none.
      options: fields of the layer, such as its dtype.

    Returns:
      float32 (batch,).
    """
    head = Dense(max(1, num_classes), **options, name="head")
    logits = head(features.reshape(features.shape[0], -1))
    if num_classes:
        logits = jnp.take_along_axis(logits, labels[:, None], axis=1)
    return logits[:, 0].astype(jnp.float32)
