"""What other libraries call the parameters of our modules: data, no code.

A map names our layers and theirs. In both, ``{block}`` stands for the number of a block, counted
from 0; in theirs, ``{stage}`` and ``{layer}`` count the stages of a residual network and the
blocks of a stage from 0, ``{stage_1}`` and so on from 1, and ``{letter}`` is a, b, c, ... for them.
"""

import dataclasses
from collections.abc import Mapping

TORCH_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "embedding": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
KERAS_LEAVES = {
    "kernel": "kernel",
    "bias": "bias",
    "scale": "gamma",
    "shift": "beta",
    "mean": "moving_mean",
    "var": "moving_variance",
}


@dataclasses.dataclass(frozen=True)
class NameMap:
    """The names of one kind of checkpoint.

    Attributes:
      layers: our layer, or parameter that belongs to none -> theirs; several of theirs are
        joined along their outputs.
      leaves: what a parameter of a layer is called in the end; "shift" is the bias of a
        normalisation where it has a name of its own.
      separator: between layer and parameter.
      transposed: whether kernels have their outputs first, as PyTorch's have.
      prefix: of the encoder's layers, left out by files that hold nothing but the encoder.
      ignored: beginnings of the names of tensors that a model may do without.
    """

    layers: Mapping[str, str | tuple[str, ...]]
    leaves: Mapping[str, str] = dataclasses.field(default_factory=lambda: TORCH_LEAVES)
    separator: str = "."
    transposed: bool = True
    prefix: str = ""
    ignored: tuple[str, ...] = ()


BLOCK, ATTENTION = "EncoderBlock_{block}", "EncoderBlock_{block}/SelfAttention_0"
BOTTLENECK = "BottleneckBlock_{block}"
BASIC = "BasicBlock_{block}"
_BERT_LAYER = "bert.encoder.layer.{block}"
_DISTILBERT_LAYER = "distilbert.transformer.layer.{block}"
_VIT_LAYER = "vit.encoder.layer.{block}"
_RESNET_LAYER = "resnet.encoder.stages.{stage}.layers.{layer}"

BERT = NameMap(
    {
        "embedding": "bert.embeddings.word_embeddings",
        "positions": "bert.embeddings.position_embeddings.weight",
        "token_types": "bert.embeddings.token_type_embeddings.weight",
        "embedding_norm": "bert.embeddings.LayerNorm",
        f"{ATTENTION}/query_key_value": tuple(
            f"{_BERT_LAYER}.attention.self.{name}" for name in ("query", "key", "value")
        ),
        f"{ATTENTION}/output": f"{_BERT_LAYER}.attention.output.dense",
        f"{BLOCK}/LayerNorm_0": f"{_BERT_LAYER}.attention.output.LayerNorm",
        f"{BLOCK}/Dense_0": f"{_BERT_LAYER}.intermediate.dense",
        f"{BLOCK}/Dense_1": f"{_BERT_LAYER}.output.dense",
        f"{BLOCK}/LayerNorm_1": f"{_BERT_LAYER}.output.LayerNorm",
        "pooler": "bert.pooler.dense",
        "Dense_0": "classifier",
    },
    prefix="bert.",
    ignored=("bert.pooler.",),
)

DISTILBERT = NameMap(
    {
        "embedding": "distilbert.embeddings.word_embeddings",
        "positions": "distilbert.embeddings.position_embeddings.weight",
        "embedding_norm": "distilbert.embeddings.LayerNorm",
        f"{ATTENTION}/query_key_value": tuple(
            f"{_DISTILBERT_LAYER}.attention.{letter}_lin" for letter in "qkv"
        ),
        f"{ATTENTION}/output": f"{_DISTILBERT_LAYER}.attention.out_lin",
        f"{BLOCK}/LayerNorm_0": f"{_DISTILBERT_LAYER}.sa_layer_norm",
        f"{BLOCK}/Dense_0": f"{_DISTILBERT_LAYER}.ffn.lin1",
        f"{BLOCK}/Dense_1": f"{_DISTILBERT_LAYER}.ffn.lin2",
        f"{BLOCK}/LayerNorm_1": f"{_DISTILBERT_LAYER}.output_layer_norm",
        "pooler": "pre_classifier",
        "Dense_0": "classifier",
    },
    prefix="distilbert.",
)

HF_VIT = NameMap(
    {
        "embedding": "vit.embeddings.patch_embeddings.projection",
        "token": "vit.embeddings.cls_token",
        "positions": "vit.embeddings.position_embeddings",
        f"{BLOCK}/LayerNorm_0": f"{_VIT_LAYER}.layernorm_before",
        f"{ATTENTION}/query_key_value": tuple(
            f"{_VIT_LAYER}.attention.attention.{name}" for name in ("query", "key", "value")
        ),
        f"{ATTENTION}/output": f"{_VIT_LAYER}.attention.output.dense",
        f"{BLOCK}/LayerNorm_1": f"{_VIT_LAYER}.layernorm_after",
        f"{BLOCK}/Dense_0": f"{_VIT_LAYER}.intermediate.dense",
        f"{BLOCK}/Dense_1": f"{_VIT_LAYER}.output.dense",
        "LayerNorm_0": "vit.layernorm",
        "Dense_0": "classifier",
    },
    prefix="vit.",
    ignored=("vit.pooler.",),
)

TIMM_VIT = NameMap(
    {
        "embedding": "patch_embed.proj",
        "token": "cls_token",
        "positions": "pos_embed",
        f"{BLOCK}/LayerNorm_0": "blocks.{block}.norm1",
        f"{ATTENTION}/query_key_value": "blocks.{block}.attn.qkv",
        f"{ATTENTION}/output": "blocks.{block}.attn.proj",
        f"{BLOCK}/LayerNorm_1": "blocks.{block}.norm2",
        f"{BLOCK}/Dense_0": "blocks.{block}.mlp.fc1",
        f"{BLOCK}/Dense_1": "blocks.{block}.mlp.fc2",
        "LayerNorm_0": "norm",
        "Dense_0": "head",
    }
)


def _resnet(
    conv: str, norm: str, stem: tuple[str, str], shortcut: tuple[str, str], head: str
) -> dict[str, str]:
    """The layers of a residual network: of both kinds of blocks, which differ in their number.

    Args:
      conv: a convolution of a block; ``{number}`` counts them from 0, ``{number_1}`` from 1.
      norm: likewise its normalisation.
      stem: first convolution and normalisation.
      shortcut: convolution and normalisation of a shortcut.
      head: the layer that gives the logits.
    """
    layers = {"Conv_0": stem[0], "BatchNorm_0": stem[1], "Dense_0": head}
    for block, count in ((BOTTLENECK, 3), (BASIC, 2)):
        for number in range(count):
            fields = {"{number}": number, "{number_1}": number + 1, "{number_a}": "abc"[number]}
            for ours, theirs in (("Conv", conv), ("BatchNorm", norm)):
                for field, value in fields.items():
                    theirs = theirs.replace(field, str(value))
                layers[f"{block}/{ours}_{number}"] = theirs
        layers[f"{block}/Conv_{count}"], layers[f"{block}/BatchNorm_{count}"] = shortcut
    return layers


HF_RESNET = NameMap(
    _resnet(
        f"{_RESNET_LAYER}.layer.{{number}}.convolution",
        f"{_RESNET_LAYER}.layer.{{number}}.normalization",
        (
            "resnet.embedder.embedder.convolution",
            "resnet.embedder.embedder.normalization",
        ),
        (f"{_RESNET_LAYER}.shortcut.convolution", f"{_RESNET_LAYER}.shortcut.normalization"),
        "classifier.1",
    ),
    prefix="resnet.",
)

# torchvision and timm name them alike.
TORCH_RESNET = NameMap(
    _resnet(
        "layer{stage_1}.{layer}.conv{number_1}",
        "layer{stage_1}.{layer}.bn{number_1}",
        ("conv1", "bn1"),
        ("layer{stage_1}.{layer}.downsample.0", "layer{stage_1}.{layer}.downsample.1"),
        "fc",
    )
)

KERAS_RESNET = NameMap(
    _resnet(
        "conv{stage_2}_block{layer_1}_{number_1}_conv",
        "conv{stage_2}_block{layer_1}_{number_1}_bn",
        ("conv1_conv", "conv1_bn"),
        ("conv{stage_2}_block{layer_1}_0_conv", "conv{stage_2}_block{layer_1}_0_bn"),
        "predictions",
    ),
    KERAS_LEAVES,
    separator="/",
    transposed=False,
)

# Keras before version 2.2.5.
OLD_KERAS_RESNET = NameMap(
    _resnet(
        "res{stage_2}{letter}_branch2{number_a}",
        "bn{stage_2}{letter}_branch2{number_a}",
        ("conv1", "bn_conv1"),
        ("res{stage_2}{letter}_branch1", "bn{stage_2}{letter}_branch1"),
        "fc1000",
    ),
    KERAS_LEAVES,
    separator="/",
    transposed=False,
)
