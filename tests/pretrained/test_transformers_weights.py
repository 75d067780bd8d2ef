"""Compares logits with those of the transformers library, with random weights that it saved."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxdl.models.bert import Bert
from jaxdl.models.resnet import RESNETS
from jaxdl.models.transformer import exact_gelu
from jaxdl.models.vit import ViT
from jaxdl.pretrained import PUBLISHED
from jaxdl.pretrained.loading import convert, describe_variables
from jaxdl.pretrained.preprocessing import Preprocessing
from jaxdl.pretrained.weight_files import read_tensors

pytestmark = pytest.mark.peers

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIDE = 64
BERT_SIZES = {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 200,
    "vocab_size": 300,
    "max_position_embeddings": 40,
}
DISTILBERT_SIZES = {
    "dim": 96,
    "n_layers": 3,
    "n_heads": 4,
    "hidden_dim": 200,
    "vocab_size": 300,
    "max_position_embeddings": 40,
}
OUR_SIZES = {
    "embed_dim": 96,
    "num_layers": 3,
    "num_heads": 4,
    "mlp_dim": 200,
    "vocabulary_size": 300,
    "max_length": 40,
    "num_classes": 3,
}


def randomise(peer):
    """Draws parameters: no scale is 1, no bias 0 and no statistic trivial."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in peer.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            scale = 0.1 if tensor.ndim < 2 else 0.1 * float(tensor.std())
            tensor += scale * noise
    return peer.eval()


def convert_through_a_file(model, peer, like, folder):
    peer.save_pretrained(folder)
    path = folder / "model.safetensors"
    published = dataclasses.replace(PUBLISHED[like], preprocessing=Preprocessing(side=SIDE))
    shapes = describe_variables(model, published)
    return convert(model, shapes, published.names, read_tensors(path), str(path))


def assert_close(logits, expected):
    expected = expected.detach().numpy()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_the_logits_of_a_text_encoder_equal_those_of_transformers(kind, tmp_path):
    random = np.random.default_rng(0)
    length = np.array([40, 7, 1], np.int32)
    tokens = np.where(np.arange(40) < length[:, None], random.integers(1, 300, (3, 40)), 0)
    types = random.integers(0, 2, tokens.shape)
    given = {
        "input_ids": torch.tensor(tokens),
        "attention_mask": torch.tensor(np.arange(40) < length[:, None]),
    }
    if kind == "bert":
        config = transformers.BertConfig(**BERT_SIZES, num_labels=3)
        peer = randomise(transformers.BertForSequenceClassification(config))
        model, like = Bert(**OUR_SIZES), "minilm"
        given["token_type_ids"] = torch.tensor(types)
    else:
        config = transformers.DistilBertConfig(**DISTILBERT_SIZES, num_labels=3)
        peer = randomise(transformers.DistilBertForSequenceClassification(config))
        model, like = Bert(**OUR_SIZES, num_token_types=0, pooling="relu"), "distilbert-sst2"
    variables = convert_through_a_file(model, peer, like, tmp_path)
    inputs = (tokens.astype(np.int32), length, types if kind == "bert" else None)
    logits = jax.jit(lambda v: model.apply(v, *inputs, train=False))(variables)
    with torch.no_grad():
        assert_close(logits, peer(**given).logits)


@pytest.mark.parametrize(("depth", "strides_first"), [(18, False), (50, False), (50, True)])
def test_the_logits_of_a_residual_network_equal_those_of_transformers(
    depth, strides_first, tmp_path
):
    model = RESNETS[depth](strides_first=strides_first)
    widen = 4 if depth == 50 else 1
    config = transformers.ResNetConfig(
        layer_type="bottleneck" if depth == 50 else "basic",
        depths=list(model.stage_sizes),
        hidden_sizes=[64 * widen * 2**stage for stage in range(4)],
        downsample_in_bottleneck=strides_first,
        num_labels=1000,
    )
    peer = randomise(transformers.ResNetForImageClassification(config))
    assert_same_logits_of_images(model, peer, "resnet50-torchvision", tmp_path)


def test_the_logits_of_a_vision_transformer_equal_those_of_transformers(tmp_path):
    sizes = {"embed_dim": 96, "num_layers": 3, "num_heads": 3}
    model = ViT(**sizes, num_classes=7, activation=exact_gelu, epsilon=1e-12)
    config = transformers.ViTConfig(
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=384,
        image_size=SIDE,
        num_labels=7,
    )
    peer = transformers.ViTForImageClassification(config)
    assert_same_logits_of_images(model, randomise(peer), "vit-base", tmp_path)


def assert_same_logits_of_images(model, peer, like, folder):
    images = np.random.default_rng(0).normal(size=(2, SIDE, SIDE, 3)).astype(np.float32)
    variables = convert_through_a_file(model, peer, like, folder)
    logits = jax.jit(lambda v: model.apply(v, images, train=False))(variables)
    with torch.no_grad():
        assert_close(logits, peer(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).logits)
