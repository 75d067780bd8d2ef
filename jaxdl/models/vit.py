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
from jaxdl.nn import Dense

Pooling = Literal["token", "mean"]
Positions = Literal["learned", "sincos"]


class ViT(nn.Module):
    """Patches as tokens, a Transformer encoder, one vector for the whole image, logits.

    Attributes:
      patch_size: side of a patch in pixels; it divides height and width.
      size: of a token's vector.
      num_blocks: encoder blocks.
      num_heads: of each attention.
      mlp_ratio: hidden units of each block's perceptron, as a multiple of ``size``.
      pooling: "token" reads an extra first token, "mean" averages the patches.
      positions: "learned", or "sincos", which is fixed and has no parameters (Vaswani et
        al. 2017, section 3.5, for rows and columns: Chen et al. 2021, "MoCo v3").
      drop_path_rate: probability that the attention, or the perceptron, of the last block
        is skipped in training, falling linearly to 0 at the first block (stochastic depth:
        Huang et al. 2016).
      dropout_rate: of block outputs.
      activation: of the perceptrons' hidden units.
      epsilon: added to the variance in layer normalisation.
      remat: whether blocks are computed once more for the gradient, which saves memory.
      num_classes: number of logits; 0 for none, the vector of the image itself.
      dtype: of the computation; parameters are float32.
    """

    patch_size: int = 16
    size: int = 768
    num_blocks: int = 12
    num_heads: int = 12
    mlp_ratio: int = 4
    pooling: Pooling = "token"
    positions: Positions = "learned"
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
        patches = split_into_patches(images, self.patch_size)
        batch, rows, columns, _ = patches.shape
        x = patches.reshape(batch, rows * columns, -1)
        x = Dense(self.size, dtype=self.dtype, name="embedding")(x)
        if self.positions == "sincos":
            x += sinusoidal_positions(rows, columns, self.size).astype(self.dtype)
        if self.pooling == "token":
            token = self.param("token", nn.initializers.zeros, (1, 1, self.size))
            x = jnp.concatenate([jnp.tile(token.astype(self.dtype), (batch, 1, 1)), x], axis=1)
        if self.positions == "learned":
            shape = (1, x.shape[1], self.size)
            x += self.param("positions", nn.initializers.normal(0.02), shape).astype(self.dtype)
        block = nn.remat(EncoderBlock, static_argnums=(3,)) if self.remat else EncoderBlock
        for index in range(self.num_blocks):
            x = block(
                self.num_heads,
                self.mlp_ratio * self.size,
                activation=self.activation,
                epsilon=self.epsilon,
                dropout_rate=self.dropout_rate,
                drop_path_rate=self.drop_path_rate * index / max(1, self.num_blocks - 1),
                dtype=self.dtype,
                name=f"EncoderBlock_{index}",
            )(x, None, train)
        x = nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype)(x)
        x = x[:, 0] if self.pooling == "token" else x.mean(axis=1)
        if self.num_classes:
            x = Dense(self.num_classes, dtype=self.dtype)(x)
        return x.astype(jnp.float32)


def split_into_patches(images: jax.Array, patch_size: int) -> jax.Array:
    """Maps (batch, height, width, channels) to (batch, rows, columns, values of a patch).

    Raises:
      ValueError: ``patch_size`` does not divide height and width.
    """
    batch, height, width, channels = images.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"patches of {patch_size} pixels do not fill {height} x {width}")
    rows, columns = height // patch_size, width // patch_size
    patches = images.reshape(batch, rows, patch_size, columns, patch_size, channels)
    return patches.swapaxes(2, 3).reshape(batch, rows, columns, -1)


def sinusoidal_positions(rows: int, columns: int, size: int) -> np.ndarray:
    """Sines and cosines of a patch's row and column, float32 (rows * columns, size).

    Args:
      rows: of patches.
      columns: of patches.
      size: of a position's vector.

    Raises:
      ValueError: ``size`` is not a multiple of 4.
    """
    if size % 4:
        raise ValueError(f"sines and cosines of rows and columns do not fill {size} values")
    frequencies = 10_000.0 ** (-np.arange(size // 4) / (size // 4))
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in (row, column)]
    waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    return np.concatenate(waves, axis=1).astype(np.float32)


def resize_positions(positions: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Learned positions of a square of patches, for images of another size.

    Args:
      positions: float32 (1, 1 + side * side, size), that of the extra token first.
      rows: of patches that there are now.
      columns: likewise.

    Returns:
      float32 (1, 1 + rows * columns, size), between the old ones by cubic interpolation
      (Dosovitskiy et al. 2020, section 3.2).
    """
    side = math.isqrt(positions.shape[1] - 1)
    token, grid = positions[:, :1], positions[:, 1:].reshape(side, side, -1)
    resized = jax.image.resize(grid, (rows, columns, grid.shape[-1]), "cubic", antialias=False)
    return np.concatenate([token, np.asarray(resized).reshape(1, rows * columns, -1)], axis=1)


def _for_imagenet(size: int, num_heads: int) -> Callable[..., ViT]:
    return partial(ViT, patch_size=16, size=size, num_blocks=12, num_heads=num_heads)


VITS: dict[str, Callable[..., ViT]] = {
    "tiny": _for_imagenet(192, 3),
    "small": _for_imagenet(384, 6),
    "base": _for_imagenet(768, 12),
}
