"""Pins the names of layers, by which optimizers, figures and maps of published names find them."""

import jax.numpy as jnp
import pytest
from modules import parameter_shapes

from jaxdl.models.bert import Bert
from jaxdl.models.cnn import CNN, VGG, LeNet5
from jaxdl.models.gan import Discriminator, Generator
from jaxdl.models.mlp import MLP
from jaxdl.models.residual_gan import ResidualDiscriminator, ResidualGenerator
from jaxdl.models.resnet import BasicBlock, BottleneckBlock, ResNet
from jaxdl.models.rnn import TextRNN
from jaxdl.models.speedrun import SpeedrunNet
from jaxdl.models.transformer import TextTransformer
from jaxdl.models.vit import ViT

IMAGES = (jnp.zeros((1, 28, 28, 1)),)
NOISE = (jnp.zeros((1, 10)),)
TEXT = (jnp.ones((1, 4), jnp.int32), jnp.ones(1, jnp.int32))
SMALL = {"embed_dim": 8, "num_layers": 2, "num_heads": 2}
NGRAMS = {"ngrams": 2, "ngram_buckets": 8}

CASES = [
    (MLP(), IMAGES, "dense_0 dense_1 head"),
    (CNN(), IMAGES, "conv_0 conv_1 dense_0 head"),
    (LeNet5(), IMAGES, "conv_0 conv_1 dense_0 dense_1 head"),
    (VGG(((2, 2), (3,))), IMAGES, "conv_0 conv_1 conv_2 norm_0 norm_1 norm_2 dense_0 head"),
    (ResNet((2, 1)), IMAGES, "stem_conv stem_norm block_0 block_1 block_2 head"),
    (SpeedrunNet((8, 8, 8)), IMAGES, "block_0 block_1 block_2 head"),
    (TextRNN(num_layers=2), TEXT, "embedding layer_0 layer_1 dense_0 head"),
    (TextRNN(bidirectional=True), TEXT, "embedding layer_0 layer_0_reverse dense_0 head"),
    (TextRNN(**NGRAMS), TEXT, "embedding ratios layer_0 dense_0 head"),
    (TextTransformer(**SMALL), TEXT, "embedding positions block_0 block_1 norm head"),
    (
        TextTransformer(**SMALL, **NGRAMS),
        TEXT,
        "embedding positions block_0 block_1 norm ratio_weights head",
    ),
    (ViT(7, **SMALL), IMAGES, "embedding token positions block_0 block_1 norm head"),
    (
        ViT(4, **SMALL, tokenizer="convolutions", pooling="sequence", positions="sincos"),
        IMAGES,
        "embedding block_0 block_1 norm pool head",
    ),
    (
        Bert(**SMALL),
        TEXT,
        "embedding positions token_types embedding_norm block_0 block_1 pooler head",
    ),
    (Generator(), NOISE, "dense_0 norm_0 norm_1 norm_2 upsample_0 upsample_1 head"),
    (Discriminator(), IMAGES, "conv_0 conv_1 head"),
    (ResidualGenerator(), NOISE, "dense_0 block_0 upsample_0 block_1 norm head"),
    (ResidualDiscriminator(), IMAGES, "conv_0 block_0 conv_1 block_1 head"),
]


@pytest.mark.parametrize(
    ("model", "inputs", "names"), CASES, ids=[type(model).__name__ for model, *_ in CASES]
)
def test_the_layers_of_a_network(model, inputs, names):
    assert set(parameter_shapes(model, inputs)) == set(names.split())


@pytest.mark.parametrize(("block", "depth"), [(BasicBlock, 2), (BottleneckBlock, 3)])
def test_the_layers_of_a_residual_block(block, depth):
    params = parameter_shapes(ResNet((1, 2), block=block), IMAGES)
    names = {f"{kind}_{index}" for kind in ("conv", "norm") for index in range(depth)}
    assert set(params["block_2"]) == names
    assert set(params["block_1"]) == names | {"shortcut_conv", "shortcut_norm"}


@pytest.mark.parametrize("remat", [False, True])
def test_the_layers_of_an_encoder_block(remat):
    block = parameter_shapes(ViT(7, **SMALL, remat=remat), IMAGES)["block_1"]
    assert set(block) == {"attention", "norm_0", "norm_1", "dense_0", "dense_1"}
    assert set(block["attention"]) == {"query_key_value", "output"}


def test_the_parameters_of_a_recurrent_layer():
    assert set(parameter_shapes(TextRNN(), TEXT)["layer_0"]) == {"input", "kernel", "bias"}
