"""Vision Transformers (Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words")."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxdl.models.transformer import Activation, EncoderBlock
from jaxdl.nn import Conv, Dense, max_pool

Tokenizer = Literal["patches", "convolutions"]
Pooling = Literal["token", "mean", "sequence"]
Positions = Literal["learned", "sincos"]


class ViT(nn.Module):
    """A Transformer encoder over patches, pooling into one vector per image, and a dense head.

    With convolutions as the tokenizer and sequence pooling it is much like a Compact Convolutional
    Transformer (Hassani et al. 2021, "Escaping the Big Data Paradigm with Compact Transformers").
    The layers are named `embedding`, `block_0`, `block_1`, ..., `norm`, with sequence pooling
    `pool`, and `head`; the parameters that belong to no layer are `token` and `positions`. If the
    collection "intermediates" is mutable, the weights of sequence pooling are sown into it as
    "pooling", float32 (batch, patches).

    Attributes:
      patch_size: side of a patch in pixels; it divides height and width.
      embed_dim: width of the embedding and of all blocks.
      num_layers: number of encoder blocks.
      num_heads: number of attention heads.
      mlp_ratio: number of hidden units of each block's MLP, as a multiple of ``embed_dim``.
      pooling: "token" reads an extra first token, "mean" averages the patches, "sequence" averages
        them with weights that are computed from the patches (Hassani et al. 2021, section 3.2).
      positions: "learned", or "sincos", which is fixed and has no parameters (Vaswani et
        al. 2017, section 3.5, for rows and columns: Chen et al. 2021, "MoCo v3").
      tokenizer: "patches" maps each patch linearly, "convolutions" also reads the pixels around
        it: see `ConvolutionalTokenizer`.
      drop_path_rate: probability that the attention, or the MLP, of the last block is skipped
        for an example in training, falling linearly to 0 at the first block (stochastic depth:
        Huang et al. 2016).
      dropout_rate: probability that an output of an attention or of an MLP is dropped in
        training.
      activation: activation function of the hidden units of each MLP.
      epsilon: added to the variance in layer normalisation.
      remat: whether the backward pass recomputes the blocks, which saves memory.
      num_classes: number of logits; 0 omits the head, so that the pooled vector is returned.
      dtype: dtype of the computation; parameters are float32.
    """

    patch_size: int = 16
    embed_dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    mlp_ratio: int = 4
    pooling: Pooling = "token"
    positions: Positions = "learned"
    tokenizer: Tokenizer = "patches"
    drop_path_rate: float = 0.0
    dropout_rate: float = 0.0
    activation: Activation = nn.gelu
    epsilon: float = 1e-6
    remat: bool = False
    num_classes: int = 1000
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        embedding = {"features": self.embed_dim, "dtype": self.dtype, "name": "embedding"}
        if self.tokenizer == "convolutions":
            x = ConvolutionalTokenizer(self.patch_size, **embedding)(images, train=train)
        else:
            x = Dense(**embedding)(split_into_patches(images, self.patch_size))
        batch, rows, columns, _ = x.shape
        x = x.reshape(batch, rows * columns, -1)
        if self.positions == "sincos":
            x += sinusoidal_positions(rows, columns, self.embed_dim).astype(self.dtype)
        if self.pooling == "token":
            token = self.param("token", nn.initializers.zeros, (1, 1, self.embed_dim))
            x = jnp.concatenate([jnp.tile(token.astype(self.dtype), (batch, 1, 1)), x], axis=1)
        if self.positions == "learned":
            shape = (1, x.shape[1], self.embed_dim)
            x += self.param("positions", nn.initializers.normal(0.02), shape).astype(self.dtype)
        block = nn.remat(EncoderBlock, static_argnums=(3,)) if self.remat else EncoderBlock
        for index in range(self.num_layers):
            x = block(
                self.num_heads,
                self.mlp_ratio * self.embed_dim,
                activation=self.activation,
                epsilon=self.epsilon,
                dropout_rate=self.dropout_rate,
                drop_path_rate=self.drop_path_rate * index / max(1, self.num_layers - 1),
                dtype=self.dtype,
                name=f"block_{index}",
            )(x, None, train)
        x = nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype, name="norm")(x)
        if self.pooling == "sequence":
            scores = Dense(1, dtype=self.dtype, name="pool")(x).astype(jnp.float32)
            weights = jax.nn.softmax(scores, axis=1)
            self.sow("intermediates", "pooling", weights[..., 0])
            x = (weights.astype(self.dtype) * x).sum(axis=1)
        else:
            x = x[:, 0] if self.pooling == "token" else x.mean(axis=1)
        if self.num_classes:
            x = Dense(self.num_classes, dtype=self.dtype, name="head")(x)
        return x.astype(jnp.float32)


class ConvolutionalTokenizer(nn.Module):
    """3x3 convolutions with ReLU and 2x2 max-pooling, until each position stands for one patch.

    Each has batch normalisation, and twice as many features as the one before. Hassani et al. 2021,
    section 3.3, have no batch normalisation, and pool over 3x3 windows, which overlap. The layers
    are named `conv_0`, `norm_0`, `conv_1`, `norm_1`, ...

    Attributes:
      patch_size: side of a patch in pixels, a power of 2.
      features: number of features of the last convolution, a multiple of ``patch_size / 2``.
      dtype: dtype of the computation; parameters are float32.
    """

    patch_size: int
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps (batch, height, width, channels) to (batch, rows, columns, features).

        Raises:
          ValueError: ``patch_size`` is not a power of 2, or does not divide height and width.
        """
        require_patches(images, self.patch_size)
        if self.patch_size.bit_count() != 1:
            raise ValueError(f"patch_size is {self.patch_size}: convolutions need a power of 2")
        num_layers = self.patch_size.bit_length() - 1
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, dtype=self.dtype)
        x = images
        for index in range(num_layers):
            features = self.features // 2 ** (num_layers - 1 - index)
            conv = Conv(features, (3, 3), use_bias=False, dtype=self.dtype, name=f"conv_{index}")
            x = max_pool(nn.relu(norm(name=f"norm_{index}")(conv(x))), 2)
        return x


def split_into_patches(images: jax.Array, patch_size: int) -> jax.Array:
    """Maps (batch, height, width, channels) to (batch, rows, columns, values of a patch).

    Raises:
      ValueError: ``patch_size`` does not divide height and width.
    """
    require_patches(images, patch_size)
    batch, height, width, channels = images.shape
    rows, columns = height // patch_size, width // patch_size
    patches = images.reshape(batch, rows, patch_size, columns, patch_size, channels)
    return patches.swapaxes(2, 3).reshape(batch, rows, columns, -1)


def require_patches(images: jax.Array, patch_size: int) -> None:
    """Raises a ValueError unless the side of a patch divides height and width of the images."""
    height, width = images.shape[1:3]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"{height} x {width} pixels cannot be split into patches of side {patch_size}: "
            "choose a patch_size that divides both"
        )


def sinusoidal_positions(rows: int, columns: int, embed_dim: int) -> np.ndarray:
    """Returns sines and cosines of each patch's row and column.

    Args:
      rows: number of rows of patches.
      columns: number of columns of patches.
      embed_dim: number of values for each patch, a multiple of 4.

    Returns:
      float32 (rows * columns, embed_dim).

    Raises:
      ValueError: ``embed_dim`` is not a multiple of 4.
    """
    if embed_dim % 4:
        raise ValueError(f"embed_dim is {embed_dim}: sincos positions need a multiple of 4")
    frequencies = 10_000.0 ** (-np.arange(embed_dim // 4) / (embed_dim // 4))
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in (row, column)]
    waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return np.concatenate(waves, axis=1).astype(np.float32)


def resize_positions(positions: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Interpolates the learned positions of a square of patches, for images of another size.

    The interpolation is cubic (Dosovitskiy et al. 2020, section 3.2); the position of the extra
    token stays as it is.

    Args:
      positions: float32 (1, 1 + side * side, embed_dim), that of the extra token first.
      rows: number of rows of patches in the result.
      columns: number of columns of patches in the result.

    Returns:
      float32 (1, 1 + rows * columns, embed_dim).
    """
    side = math.isqrt(positions.shape[1] - 1)
    token, grid = positions[:, :1], positions[:, 1:].reshape(side, side, -1)
    resized = jax.image.resize(grid, (rows, columns, grid.shape[-1]), "cubic", antialias=False)
    return np.concatenate([token, np.asarray(resized).reshape(1, rows * columns, -1)], axis=1)


VITS: dict[str, Callable[..., ViT]] = {
    "tiny": partial(ViT, embed_dim=192, num_heads=3),
    "small": partial(ViT, embed_dim=384, num_heads=6),
    "base": ViT,
}
