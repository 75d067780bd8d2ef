"""Builds our models, layer by layer, as a user of Keras writes them."""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
from keras import layers

from experiments.benchmark.workloads import (
    DIGITS,
    NOISE_SIZE,
    PHOTOGRAPHS,
    SEQUENCE_LENGTH,
    VOCABULARY_SIZE,
)

gelu = partial(keras.ops.gelu, approximate=True)


def mlp() -> keras.Model:
    """Builds dense layers with ReLU and dropout between them."""
    return keras.Sequential(
        [
            keras.Input(DIGITS),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )


def cnn() -> keras.Model:
    """Builds two 3x3 convolutions, each with pooling, and a dense layer."""
    return keras.Sequential(
        [
            keras.Input(DIGITS),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )


def text_rnn(layer: Callable[..., layers.Layer]) -> keras.Model:
    """Builds an embedding, a recurrent layer, and a head (one logit) on its last hidden state."""
    return keras.Sequential(
        [
            keras.Input((SEQUENCE_LENGTH,), dtype="int32"),
            layers.Embedding(VOCABULARY_SIZE, 128),
            layer(64),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )


class LearnedPositions(layers.Layer):
    """Adds a learned vector to each position of a text."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Creates the table of vectors."""
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.table = self.add_weight(shape=input_shape[1:], initializer=normal)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Maps (batch, time, embed_dim) to the same shape."""
        return inputs + self.table


class FixedPositions(layers.Layer):
    """Adds sines and cosines of row and column to each patch of a square image."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Maps (batch, side, side, embed_dim) to (batch, side * side, embed_dim)."""
        _, side, _, embed_dim = inputs.shape
        table = keras.ops.convert_to_tensor(sinusoidal_positions(side, embed_dim), inputs.dtype)
        return keras.ops.reshape(inputs, (-1, side * side, embed_dim)) + table


def sinusoidal_positions(side: int, embed_dim: int) -> np.ndarray:
    """Returns sines and cosines of row and column of each patch, (side * side, embed_dim)."""
    frequencies = 10_000.0 ** (-np.arange(embed_dim // 4) / (embed_dim // 4))
    angles = np.arange(side)[:, None] * frequencies
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.concatenate([np.repeat(waves, side, 0), np.tile(waves, (side, 1))], axis=1)


def encoder_block(
    inputs: keras.KerasTensor, num_heads: int, mlp_dim: int, dropout_rate: float
) -> keras.KerasTensor:
    """Applies attention and an MLP, each to its normalised input, with residual connections."""
    embed_dim = inputs.shape[-1]
    x = layers.LayerNormalization(epsilon=1e-6)(inputs)
    x = layers.MultiHeadAttention(num_heads, embed_dim // num_heads)(x, x)
    inputs = inputs + layers.Dropout(dropout_rate)(x)
    x = layers.LayerNormalization(epsilon=1e-6)(inputs)
    x = layers.Dense(mlp_dim, activation=gelu)(x)
    x = layers.Dense(embed_dim)(x)
    return inputs + layers.Dropout(dropout_rate)(x)


def text_transformer() -> keras.Model:
    """Builds an embedding with learned positions, an encoder block, mean pooling, and one logit."""
    tokens = keras.Input((SEQUENCE_LENGTH,), dtype="int32")
    x = LearnedPositions()(layers.Embedding(VOCABULARY_SIZE, 64)(tokens))
    x = encoder_block(layers.Dropout(0.1)(x), num_heads=4, mlp_dim=128, dropout_rate=0.1)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(tokens, layers.Dense(1)(x))


def vit() -> keras.Model:
    """Builds a ViT on patches of 4x4 pixels: six encoder blocks, mean pooling, and ten logits."""
    images = keras.Input(PHOTOGRAPHS)
    x = FixedPositions()(layers.Conv2D(128, 4, strides=4)(images))
    for _ in range(6):
        x = encoder_block(x, num_heads=4, mlp_dim=256, dropout_rate=0.0)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling1D()(x)))


def convolution(
    inputs: keras.KerasTensor, features: int, kernel_size: int, strides: int = 1
) -> keras.KerasTensor:
    """Applies a convolution without bias, followed by batch normalisation.

    With a stride, Keras's own padding would start at another pixel than that of the paper.
    """
    padding = "same" if strides == 1 else "valid"
    if strides > 1 and kernel_size > 1:
        inputs = layers.ZeroPadding2D(kernel_size // 2)(inputs)
    x = layers.Conv2D(features, kernel_size, strides, padding=padding, use_bias=False)(inputs)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def residual_block(inputs: keras.KerasTensor, features: int, projects: bool) -> keras.KerasTensor:
    """Applies two 3x3 convolutions with a shortcut; more features mean a stride of 2."""
    missing = features - inputs.shape[-1]
    strides = 2 if missing else 1
    x = layers.ReLU()(convolution(inputs, features, 3, strides))
    x = convolution(x, features, 3)
    if not missing:
        shortcut = inputs
    elif projects:
        shortcut = convolution(inputs, features, 1, strides)
    else:
        padding = ((0, 0), (0, 0), (0, 0), (missing // 2, missing // 2))
        shortcut = keras.ops.pad(inputs[:, ::2, ::2], padding)
    return layers.ReLU()(x + shortcut)


def resnet(features: int, num_stages: int, num_blocks: int, projects: bool) -> keras.Model:
    """Builds stages of residual blocks for small images; each stage doubles the features."""
    images = keras.Input(PHOTOGRAPHS)
    x = layers.ReLU()(convolution(images, features, 3))
    for stage in range(num_stages):
        for _ in range(num_blocks):
            x = residual_block(x, features * 2**stage, projects)
    return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def speedrun() -> keras.Model:
    """Builds a convolution with a fixed kernel, three blocks, the maximum, and ten logits."""
    images = keras.Input(PHOTOGRAPHS)
    whitening = layers.Conv2D(24, 2, use_bias=False, trainable=False)
    x = gelu(whitening(layers.Rescaling(1.0, offset=-0.5)(images)))
    for features in (64, 256, 256):
        for pools in (True, False):
            x = layers.Conv2D(features, 3, padding="same", use_bias=False)(x)
            x = layers.MaxPooling2D()(x) if pools else x
            x = gelu(layers.BatchNormalization(momentum=0.6, epsilon=1e-12, scale=False)(x))
    logits = layers.Dense(10, use_bias=False)(layers.GlobalMaxPooling2D()(x))
    return keras.Model(images, logits / 9)


def generator() -> keras.Model:
    """Maps noise (batch, NOISE_SIZE) to float32 images (batch, 28, 28, 1) in [-1, 1]."""
    upsample = partial(layers.Conv2DTranspose, kernel_size=5, padding="same", use_bias=False)
    return keras.Sequential(
        [
            keras.Input((NOISE_SIZE,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 256)),
            upsample(128),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            upsample(64, strides=2),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            upsample(1, strides=2),
            layers.Activation("tanh", dtype="float32"),
        ]
    )


def discriminator() -> keras.Model:
    """Maps images (batch, 28, 28, 1) in [-1, 1] to logits (batch, 1) of "real"."""
    downsample = partial(layers.Conv2D, kernel_size=5, strides=2, padding="same")
    return keras.Sequential(
        [
            keras.Input(DIGITS),
            downsample(64),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            downsample(128),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


CLASSIFIERS: dict[str, Callable[[], keras.Model]] = {
    "mlp": mlp,
    "cnn": cnn,
    "rnn": lambda: text_rnn(layers.SimpleRNN),
    "lstm": lambda: text_rnn(layers.LSTM),
    "gru": lambda: text_rnn(layers.GRU),
    "transformer": text_transformer,
    "resnet20": lambda: resnet(16, 3, 3, projects=False),
    "resnet18": lambda: resnet(64, 4, 2, projects=True),
    "speedrun": speedrun,
    "vit": vit,
}
