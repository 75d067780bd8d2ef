"""Residual networks (He et al. 2015, "Deep Residual Learning for Image Recognition")."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from jaxdl.nn import Conv, Dense, with_flat_window

MakeModule = Callable[..., Any]
Norm = Literal["batch", "group"]
Stem = Literal["small", "large"]


class Block(nn.Module):
    """The fields of both kinds of residual blocks.

    The layers of a block are named `conv_0`, `norm_0`, `conv_1`, `norm_1`, (`conv_2`, `norm_2`),
    and those of a shortcut that is a convolution `shortcut_conv`, `shortcut_norm`.

    Attributes:
      features: number of channels of the 3x3 convolutions.
      strides: stride of the block, in height and width.
      conv: makes a convolution without bias.
      norm: makes a normalisation.
      projects: whether a shortcut that changes the shape is a 1x1 convolution (option B of
        section 3.3) or skips pixels and pads the channels with zeros (option A, no parameters).
      residual: whether the block has a shortcut at all.
      strides_first: whether a bottleneck has its stride in the first convolution ("v1", as
        in the paper) or in the 3x3 convolution ("v1.5", as almost everywhere since).
    """

    features: int
    strides: int
    conv: MakeModule
    norm: MakeModule
    projects: bool
    residual: bool
    strides_first: bool = False


class BasicBlock(Block):
    """Two 3x3 convolutions, added to their input."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Maps (batch, height, width, channels) to (batch, new_height, new_width, features)."""
        conv = partial(self.conv, self.features, (3, 3), padding=1)
        x = nn.relu(self.norm(name="norm_0")(conv(strides=self.strides, name="conv_0")(inputs)))
        x = conv(name="conv_1")(x)
        return _add_shortcut(self, inputs, x, "norm_1")


class BottleneckBlock(Block):
    """A 3x3 convolution between two 1x1 ones that narrow and widen, added to their input.

    The output has ``4 * features`` channels.
    """

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Maps (batch, height, width, channels) to (batch, new_height, new_width, 4 * features)."""
        first, second = (self.strides, 1) if self.strides_first else (1, self.strides)
        x = self.conv(self.features, (1, 1), strides=first, name="conv_0")(inputs)
        x = nn.relu(self.norm(name="norm_0")(x))
        x = self.conv(self.features, (3, 3), strides=second, padding=1, name="conv_1")(x)
        x = nn.relu(self.norm(name="norm_1")(x))
        x = self.conv(4 * self.features, (1, 1), name="conv_2")(x)
        return _add_shortcut(self, inputs, x, "norm_2")


def _add_shortcut(block: Block, inputs: jax.Array, outputs: jax.Array, norm: str) -> jax.Array:
    """Normalises the last convolution's outputs by the layer ``norm`` and adds the shortcut.

    The scale of that normalisation is initialised to 0, so that a block is its shortcut at the
    start of training (Goyal et al. 2017, section 5.1).
    """
    if not block.residual:
        return nn.relu(block.norm(name=norm)(outputs))
    outputs = block.norm(scale_init=nn.initializers.zeros, name=norm)(outputs)
    if inputs.shape == outputs.shape:
        return nn.relu(outputs + inputs)
    features = outputs.shape[-1]
    if block.projects:
        conv = block.conv(features, (1, 1), strides=block.strides, name="shortcut_conv")
        shortcut = block.norm(name="shortcut_norm")(conv(inputs))
    else:
        shortcut = inputs[:, :: block.strides, :: block.strides]
        missing = features - inputs.shape[-1]
        padding = ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2))
        shortcut = jnp.pad(shortcut, padding)
    return nn.relu(outputs + shortcut)


class ResNet(nn.Module):
    """Stages of residual blocks; each stage after the first halves the size of the images.

    The layers are named `stem_conv`, `stem_norm`, `block_0`, `block_1`, ..., counted over all
    stages, and `head`; those of a block are listed in `Block`. If the collection "intermediates"
    is mutable, the output of the last block is sown into it as "maps", float32 (batch, rows,
    columns, features).

    Attributes:
      stage_sizes: number of blocks of each stage.
      features: number of channels of the first stage's 3x3 convolutions; each stage has twice
        as many as the stage before.
      block: `BasicBlock` or `BottleneckBlock`.
      stem: the layers before the first block: "small" is a 3x3 convolution, "large" a 7x7
        convolution and a 3x3 max-pool, both with stride 2.
      projects: see `Block`.
      residual: whether blocks have shortcuts; without them, it is the paper's "plain" network.
      strides_first: see `Block`.
      normalisation: "batch", or "group" (Wu and He 2018), which needs no batch statistics.
      epsilon: added to the variance in batch normalisation; group normalisation has 1e-6.
      frozen_statistics: whether batch normalisation uses its running averages in training too.
      num_classes: number of logits; 0 omits the head, so that the pooled features are returned.
      dtype: dtype of the computation; parameters and batch statistics are float32.
    """

    stage_sizes: Sequence[int]
    features: int = 64
    block: MakeModule = BasicBlock
    stem: Stem = "large"
    projects: bool = True
    residual: bool = True
    strides_first: bool = False
    normalisation: Norm = "batch"
    epsilon: float = 1e-5
    frozen_statistics: bool = False
    num_classes: int = 1000
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> jax.Array:
        """Maps images (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        initializer = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
        conv = partial(
            Conv, use_bias=False, dtype=self.dtype, kernel_init=with_flat_window(initializer)
        )
        norm = self._norm(train)
        large = self.stem == "large"
        side, strides = (7, 2) if large else (3, 1)
        stem = conv(self.features, (side, side), strides, padding=side // 2, name="stem_conv")
        x = nn.relu(norm(name="stem_norm")(stem(images)))
        if large:
            x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # 0 is the minimum after ReLU
            x = nn.max_pool(x, window_shape=(3, 3), strides=(2, 2))
        places = [(stage, place) for stage, n in enumerate(self.stage_sizes) for place in range(n)]
        for index, (stage, place) in enumerate(places):
            x = self.block(
                self.features * 2**stage,
                2 if stage > 0 and place == 0 else 1,
                conv,
                norm,
                self.projects,
                self.residual,
                self.strides_first,
                name=f"block_{index}",
            )(x)
        self.sow("intermediates", "maps", x.astype(jnp.float32))
        x = x.mean(axis=(1, 2))
        if self.num_classes:
            x = Dense(self.num_classes, dtype=self.dtype, name="head")(x)
        return x.astype(jnp.float32)

    def _norm(self, train: bool) -> MakeModule:
        if self.normalisation == "group":
            groups = math.gcd(32, self.features // 2)  # each of at least two channels
            return partial(nn.GroupNorm, num_groups=groups, dtype=self.dtype)
        return partial(
            nn.BatchNorm,
            use_running_average=not train or self.frozen_statistics,
            momentum=0.9,
            epsilon=self.epsilon,
            dtype=self.dtype,
        )


def _for_cifar(depth: int) -> Callable[..., ResNet]:
    """Returns the network of section 4.2, of 6n + 2 layers, for 32x32 images."""
    blocks = (depth - 2) // 6
    return partial(ResNet, (blocks,) * 3, features=16, stem="small", projects=False)


RESNETS: dict[int, Callable[..., ResNet]] = {
    **{depth: _for_cifar(depth) for depth in (8, 20, 32, 44, 56, 110)},
    18: partial(ResNet, (2, 2, 2, 2)),
    34: partial(ResNet, (3, 4, 6, 3)),
    50: partial(ResNet, (3, 4, 6, 3), block=BottleneckBlock),
    101: partial(ResNet, (3, 4, 23, 3), block=BottleneckBlock),
    152: partial(ResNet, (3, 8, 36, 3), block=BottleneckBlock),
}
