"""Builds our models, layer by layer, as a user of PyTorch writes them."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from experiments.benchmark.workloads import NOISE_SIZE, SEQUENCE_LENGTH, VOCABULARY_SIZE


def mlp() -> nn.Module:
    """Builds dense layers with ReLU and dropout between them."""
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(28 * 28, 128), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.2)),
        nn.Linear(64, 10),
    )


def cnn() -> nn.Module:
    """Builds two 3x3 convolutions, each with pooling, and a dense layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(5 * 5 * 64, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, 10),
    )


class TextRNN(nn.Module):
    """Applies an embedding, a recurrent layer, and a head (one logit) on its last hidden state."""

    def __init__(self, layer: Callable[..., nn.Module]):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY_SIZE, 128)
        self.recurrent = layer(128, 64, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1), nn.Flatten(0)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Maps tokens (batch, time) to logits (batch,)."""
        states, _ = self.recurrent(self.embedding(tokens))
        return self.head(states[:, -1])


class SelfAttention(nn.Module):
    """Applies multi-head self-attention with PyTorch's own kernel."""

    def __init__(self, embed_dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query_key_value = nn.Linear(embed_dim, 3 * embed_dim)
        self.output = nn.Linear(embed_dim, embed_dim)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Maps (batch, time, embed_dim) to the same shape."""
        projected = self.query_key_value(inputs).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return self.output(attended.transpose(1, 2).flatten(2))


class EncoderBlock(nn.Module):
    """Applies attention and an MLP, each to its normalised input, with residual connections."""

    def __init__(self, embed_dim: int, num_heads: int, mlp_dim: int, dropout_rate: float):
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(embed_dim, eps=1e-6),
            SelfAttention(embed_dim, num_heads),
            nn.Dropout(dropout_rate),
        )
        self.mlp = nn.Sequential(
            nn.LayerNorm(embed_dim, eps=1e-6),
            nn.Linear(embed_dim, mlp_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(mlp_dim, embed_dim),
            nn.Dropout(dropout_rate),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Maps (batch, time, embed_dim) to the same shape."""
        inputs = inputs + self.attention(inputs)
        return inputs + self.mlp(inputs)


class TextTransformer(nn.Module):
    """Applies an embedding with positions, an encoder block, mean pooling, and one logit."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY_SIZE, 64)
        self.positions = nn.Parameter(0.02 * torch.randn(SEQUENCE_LENGTH, 64))
        self.encoder = nn.Sequential(
            nn.Dropout(0.1), EncoderBlock(64, 4, 128, 0.1), nn.LayerNorm(64, eps=1e-6)
        )
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(64, 1), nn.Flatten(0))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Maps tokens (batch, time) to logits (batch,)."""
        return self.head(self.encoder(self.embedding(tokens) + self.positions).mean(1))


class ViT(nn.Module):
    """Applies a ViT to patches of 4x4 pixels: six encoder blocks, mean pooling, and ten logits."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Conv2d(3, 128, 4, stride=4)
        self.register_buffer("positions", sinusoidal_positions(8, 128))
        blocks = (EncoderBlock(128, 4, 256, 0.0) for _ in range(6))
        self.encoder = nn.Sequential(*blocks, nn.LayerNorm(128, eps=1e-6))
        self.head = nn.Linear(128, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (batch, channels, height, width) to logits (batch, classes)."""
        patches = self.embedding(images).flatten(2).transpose(1, 2)
        return self.head(self.encoder(patches + self.positions).mean(1))


def sinusoidal_positions(side: int, embed_dim: int) -> torch.Tensor:
    """Returns sines and cosines of row and column of each patch, (side * side, embed_dim)."""
    frequencies = 10_000.0 ** (-torch.arange(embed_dim // 4) / (embed_dim // 4))
    angles = torch.arange(side)[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.cat([waves.repeat_interleave(side, 0), waves.repeat(side, 1)], dim=1)


def convolution(inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Builds a convolution without bias, followed by batch normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class SkippedPixels(nn.Module):
    """Takes every other pixel and pads the channels with zeros: a shortcut without parameters."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (batch, channels, height, width) to twice the channels, half the sides."""
        missing = images.shape[1] // 2
        return functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, missing, missing))


class ResidualBlock(nn.Module):
    """Applies two 3x3 convolutions with a shortcut; more features mean a stride of 2."""

    def __init__(self, inputs: int, outputs: int, projects: bool):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.convolutions = nn.Sequential(
            convolution(inputs, outputs, 3, stride), nn.ReLU(), convolution(outputs, outputs, 3)
        )
        if inputs == outputs:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = convolution(inputs, outputs, 1, 2) if projects else SkippedPixels()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps (batch, inputs, height, width) to (batch, outputs, new_height, new_width)."""
        return functional.relu(self.convolutions(images) + self.shortcut(images))


def resnet(features: int, num_stages: int, num_blocks: int, projects: bool) -> nn.Module:
    """Builds stages of residual blocks for small images; each stage doubles the features."""
    outputs = [features * 2**stage for stage in range(num_stages) for _ in range(num_blocks)]
    blocks = zip([features, *outputs], outputs, strict=False)
    return nn.Sequential(
        *(convolution(3, features, 3), nn.ReLU()),
        *(ResidualBlock(*block, projects) for block in blocks),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outputs[-1], 10)),
    )


class Speedrun(nn.Module):
    """Applies a convolution with a fixed kernel, three blocks, the maximum, and ten logits."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 2, bias=False)
        self.stem.weight.requires_grad_(False)
        self.blocks = nn.Sequential(*map(speedrun_block, (24, 64, 256), (64, 256, 256)))
        self.head = nn.Linear(256, 10, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Maps images (batch, channels, height, width) to logits (batch, classes)."""
        x = functional.gelu(self.stem(images - 0.5), approximate="tanh")
        return self.head(self.blocks(x).amax((2, 3))) / 9


def speedrun_block(inputs: int, outputs: int) -> nn.Sequential:
    """Builds two convolutions, normalised without a scale, the first with pooling."""
    norms = [nn.BatchNorm2d(outputs, eps=1e-12, momentum=0.4) for _ in range(2)]
    for norm in norms:
        norm.weight.requires_grad_(False)
    return nn.Sequential(
        *(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.MaxPool2d(2)),
        *(norms[0], nn.GELU(approximate="tanh")),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        *(norms[1], nn.GELU(approximate="tanh")),
    )


def generator() -> nn.Module:
    """Maps noise (batch, NOISE_SIZE) to images (batch, 1, 28, 28) in [-1, 1]."""
    wide, narrow = 7 * 7 * 256, {"kernel_size": 5, "padding": 2, "bias": False}
    larger = {**narrow, "stride": 2, "output_padding": 1}
    statistics = {"momentum": 0.01, "eps": 1e-3}
    return nn.Sequential(
        *(nn.Linear(NOISE_SIZE, wide, bias=False), nn.BatchNorm1d(wide, **statistics)),
        *(nn.LeakyReLU(0.3), nn.Unflatten(1, (256, 7, 7))),
        *(nn.ConvTranspose2d(256, 128, **narrow), nn.BatchNorm2d(128, **statistics)),
        nn.LeakyReLU(0.3),
        *(nn.ConvTranspose2d(128, 64, **larger), nn.BatchNorm2d(64, **statistics)),
        nn.LeakyReLU(0.3),
        *(nn.ConvTranspose2d(64, 1, **larger), nn.Tanh()),
    )


def discriminator() -> nn.Module:
    """Maps images (batch, 1, 28, 28) in [-1, 1] to logits (batch,) of "real"."""
    return nn.Sequential(
        *(nn.Conv2d(1, 64, 5, stride=2, padding=2), nn.LeakyReLU(0.3), nn.Dropout(0.3)),
        *(nn.Conv2d(64, 128, 5, stride=2, padding=2), nn.LeakyReLU(0.3), nn.Dropout(0.3)),
        *(nn.Flatten(), nn.Linear(7 * 7 * 128, 1), nn.Flatten(0)),
    )


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "rnn": lambda: TextRNN(nn.RNN),
    "lstm": lambda: TextRNN(nn.LSTM),
    "gru": lambda: TextRNN(nn.GRU),
    "transformer": TextTransformer,
    "resnet20": lambda: resnet(16, 3, 3, projects=False),
    "resnet18": lambda: resnet(64, 4, 2, projects=True),
    "speedrun": Speedrun,
    "vit": ViT,
}
