"""The network of the CIFAR-10 speed runs.

Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv:2404.00498): a whitening
convolution that is computed instead of trained (section 3.2), and three blocks of convolutions
initialised as identities (section 3.3).
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.nn import NHWC, Conv, Dense, convolve, default_kernel_init, max_pool, with_flat_window

PATCH_SIDE = 2
"""Side of a whitened patch, in pixels."""
EPSILON = 3e-5
"""Added to the variance of each component; the paper adds 5e-4, to pixels of unit variance."""
LOGIT_SCALE = 1 / 9
"""Factor of the logits (section 3.1)."""


class Whitening(nn.Module):
    """A 2x2 convolution whose outputs are uncorrelated over the training images (section 3.2).

    Each principal component of the patches gives two channels, of opposite signs. Nothing is
    trained, not even a bias, whose gradient would take a tenth of a train step. Before training,
    "batch_stats" must be set to what `whitening_of` computes: the "mean" of the pixels,
    (channels,), and the "kernel", (2, 2, channels, features), which is initialised at random.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps (batch, height, width, channels) to (batch, height - 1, width - 1, 8 * channels)."""
        channels = images.shape[-1]
        shape = (PATCH_SIDE, PATCH_SIDE, channels, 2 * PATCH_SIDE**2 * channels)
        mean = self.variable("batch_stats", "mean", jnp.full, (channels,), 0.5)
        kernel = self.variable(
            "batch_stats", "kernel", lambda: default_kernel_init(self.make_rng("params"), shape)
        )
        images = (images - mean.value).astype(self.dtype)
        kernel = kernel.value.astype(self.dtype)
        return convolve(images, kernel, (1, 1), "VALID", dimension_numbers=NHWC)


class Block(nn.Module):
    """Two 3x3 convolutions, the first with pooling, each with normalisation and GELU.

    The layers are named `conv_0`, `norm_0`, `conv_1`, `norm_1`.

    Attributes:
      features: number of channels.
      dtype: dtype of the computation.
    """

    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps (batch, height, width, channels) to (batch, height // 2, width // 2, features)."""
        for index in range(2):
            x = Conv(
                self.features,
                (3, 3),
                use_bias=False,
                dtype=self.dtype,
                kernel_init=dirac,
                name=f"conv_{index}",
            )(x)
            if index == 0:
                x = max_pool(x, 2)
            x = nn.BatchNorm(
                use_running_average=not train,
                momentum=0.6,
                epsilon=1e-12,
                use_scale=False,
                dtype=self.dtype,
                name=f"norm_{index}",
            )(x)
            x = nn.gelu(x)
        return x


class SpeedrunNet(nn.Module):
    """Whitening, three blocks, global max-pooling, and a dense head without bias.

    The layers are named `stem_conv`, which has no parameters, `block_0`, `block_1`, `block_2` and
    `head`. If the collection "intermediates" is mutable, the output of the last block is sown into
    it as "maps", float32 (batch, rows, columns, features).

    Attributes:
      features: number of channels of each block.
      num_classes: number of logits.
      dtype: dtype of the computation; parameters and batch statistics are float32.
    """

    features: Sequence[int] = (64, 256, 256)
    num_classes: int = 10
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        x = nn.gelu(Whitening(dtype=self.dtype, name="stem_conv")(images))
        for index, features in enumerate(self.features):
            x = Block(features, dtype=self.dtype, name=f"block_{index}")(x, train=train)
        self.sow("intermediates", "maps", x.astype(jnp.float32))
        x = x.max(axis=(1, 2))
        x = Dense(self.num_classes, use_bias=False, dtype=self.dtype, name="head")(x)
        return x.astype(jnp.float32) * LOGIT_SCALE


def dirac(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> jax.Array:
    """Initialises a kernel whose first outputs are its input channels, unchanged (section 3.3).

    The weights of the other outputs are uniform, with variance 1 / (3 * fan_in). The shape of the
    kernel is (height, width, channels, features).
    """
    uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
    kernel = with_flat_window(uniform)(key, shape, dtype)
    height, width, channels, features = shape
    same = min(channels, features)
    unchanged = np.zeros((height, width, channels, same))
    unchanged[height // 2, width // 2, range(same), range(same)] = 1.0
    return kernel.at[..., :same].set(unchanged)


def whitening_of(images: jax.Array) -> dict[str, jax.Array]:
    """Computes the mean and the kernel of `Whitening` from training images.

    Each principal component of the patches is divided by its standard deviation over all patches.

    Args:
      images: float32 (examples, height, width, channels).

    Returns:
      "mean", float32 (channels,), and "kernel", float32 (2, 2, channels, 8 * channels).
    """
    mean = images.mean(axis=(0, 1, 2))
    channels = len(mean)
    rows, columns = (size - PATCH_SIDE + 1 for size in images.shape[1:3])
    centred = images - mean
    patches = [
        centred[:, row : row + rows, column : column + columns]
        for row, column in np.ndindex(PATCH_SIDE, PATCH_SIDE)
    ]
    patches = jnp.concatenate(patches, axis=-1).reshape(-1, PATCH_SIDE**2 * channels)
    variances, components = jnp.linalg.eigh(patches.T @ patches / len(patches))
    components = components / jnp.sqrt(variances + EPSILON)
    kernel = jnp.concatenate([components, -components], axis=1)
    return {"mean": mean, "kernel": kernel.reshape(PATCH_SIDE, PATCH_SIDE, channels, -1)}
