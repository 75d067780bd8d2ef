"""Maps from the names of our parameters to those of other libraries; this file is data, not code.

In the names of both, ``{block}`` stands for the index of a block, counted from 0. In their names
of a residual network's layers, ``{stage}`` is the index of a stage and ``{layer}`` that of a block
within its stage, both counted from 0. ``{stage_1}`` and ``{layer_1}`` are counted from 1,
``{stage_2}`` is counted from 2, and ``{letter}`` is a, b, c, ... instead of 0, 1, 2, ... for
``{layer}``.
"""

import dataclasses
from collections.abc import Mapping

TORCH_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "embedding": "weight",
    "bias": "bias",
    "shift": "bias",
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
      layers: our layer, or our parameter that belongs to no layer -> theirs; several of theirs
        are joined along their outputs.
      leaves: our parameter of a layer -> theirs; "shift" is the bias of a normalisation.
      separator: text between a layer and its parameter in their names.
      transposed: whether kernels have their outputs first, as in PyTorch.
      prefix: prefix of the encoder's layers, which files of a bare encoder omit.
      ignored: prefixes of the names of tensors that a model may leave unused.
    """

    layers: Mapping[str, str | tuple[str, ...]]
    leaves: Mapping[str, str] = dataclasses.field(default_factory=lambda: TORCH_LEAVES)
    separator: str = "."
    transposed: bool = True
    prefix: str = ""
    ignored: tuple[str, ...] = ()


BLOCK, ATTENTION = "block_{block}", "block_{block}/attention"
_BERT_LAYER = "bert.encoder.layer.{block}"
_DISTILBERT_LAYER = "distilbert.transformer.layer.{block}"
_VIT_LAYER = "vit.encoder.layer.{block}"
_TIMM_BLOCK = "blocks.{block}"
_HF_BLOCK = "resnet.encoder.stages.{stage}.layers.{layer}"
_TORCH_BLOCK = "layer{stage_1}.{layer}"
_KERAS_BLOCK = "conv{stage_2}_block{layer_1}"
_OLD_KERAS_BRANCH = "{stage_2}{letter}_branch"

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
        f"{BLOCK}/norm_0": f"{_BERT_LAYER}.attention.output.LayerNorm",
        f"{BLOCK}/dense_0": f"{_BERT_LAYER}.intermediate.dense",
        f"{BLOCK}/dense_1": f"{_BERT_LAYER}.output.dense",
        f"{BLOCK}/norm_1": f"{_BERT_LAYER}.output.LayerNorm",
        "pooler": "bert.pooler.dense",
        "head": "classifier",
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
        f"{BLOCK}/norm_0": f"{_DISTILBERT_LAYER}.sa_layer_norm",
        f"{BLOCK}/dense_0": f"{_DISTILBERT_LAYER}.ffn.lin1",
        f"{BLOCK}/dense_1": f"{_DISTILBERT_LAYER}.ffn.lin2",
        f"{BLOCK}/norm_1": f"{_DISTILBERT_LAYER}.output_layer_norm",
        "pooler": "pre_classifier",
        "head": "classifier",
    },
    prefix="distilbert.",
)

HF_VIT = NameMap(
    {
        "embedding": "vit.embeddings.patch_embeddings.projection",
        "token": "vit.embeddings.cls_token",
        "positions": "vit.embeddings.position_embeddings",
        f"{BLOCK}/norm_0": f"{_VIT_LAYER}.layernorm_before",
        f"{ATTENTION}/query_key_value": tuple(
            f"{_VIT_LAYER}.attention.attention.{name}" for name in ("query", "key", "value")
        ),
        f"{ATTENTION}/output": f"{_VIT_LAYER}.attention.output.dense",
        f"{BLOCK}/norm_1": f"{_VIT_LAYER}.layernorm_after",
        f"{BLOCK}/dense_0": f"{_VIT_LAYER}.intermediate.dense",
        f"{BLOCK}/dense_1": f"{_VIT_LAYER}.output.dense",
        "norm": "vit.layernorm",
        "head": "classifier",
    },
    prefix="vit.",
    ignored=("vit.pooler.",),
)

TIMM_VIT = NameMap(
    {
        "embedding": "patch_embed.proj",
        "token": "cls_token",
        "positions": "pos_embed",
        f"{BLOCK}/norm_0": f"{_TIMM_BLOCK}.norm1",
        f"{ATTENTION}/query_key_value": f"{_TIMM_BLOCK}.attn.qkv",
        f"{ATTENTION}/output": f"{_TIMM_BLOCK}.attn.proj",
        f"{BLOCK}/norm_1": f"{_TIMM_BLOCK}.norm2",
        f"{BLOCK}/dense_0": f"{_TIMM_BLOCK}.mlp.fc1",
        f"{BLOCK}/dense_1": f"{_TIMM_BLOCK}.mlp.fc2",
        "norm": "norm",
        "head": "head",
    }
)

HF_RESNET = NameMap(
    {
        "stem_conv": "resnet.embedder.embedder.convolution",
        "stem_norm": "resnet.embedder.embedder.normalization",
        **{f"{BLOCK}/conv_{n}": f"{_HF_BLOCK}.layer.{n}.convolution" for n in range(3)},
        **{f"{BLOCK}/norm_{n}": f"{_HF_BLOCK}.layer.{n}.normalization" for n in range(3)},
        f"{BLOCK}/shortcut_conv": f"{_HF_BLOCK}.shortcut.convolution",
        f"{BLOCK}/shortcut_norm": f"{_HF_BLOCK}.shortcut.normalization",
        "head": "classifier.1",
    },
    prefix="resnet.",
)

# The names of torchvision and of timm.
TORCH_RESNET = NameMap(
    {
        "stem_conv": "conv1",
        "stem_norm": "bn1",
        **{f"{BLOCK}/conv_{n}": f"{_TORCH_BLOCK}.conv{n + 1}" for n in range(3)},
        **{f"{BLOCK}/norm_{n}": f"{_TORCH_BLOCK}.bn{n + 1}" for n in range(3)},
        f"{BLOCK}/shortcut_conv": f"{_TORCH_BLOCK}.downsample.0",
        f"{BLOCK}/shortcut_norm": f"{_TORCH_BLOCK}.downsample.1",
        "head": "fc",
    }
)

KERAS_RESNET = NameMap(
    {
        "stem_conv": "conv1_conv",
        "stem_norm": "conv1_bn",
        **{f"{BLOCK}/conv_{n}": f"{_KERAS_BLOCK}_{n + 1}_conv" for n in range(3)},
        **{f"{BLOCK}/norm_{n}": f"{_KERAS_BLOCK}_{n + 1}_bn" for n in range(3)},
        f"{BLOCK}/shortcut_conv": f"{_KERAS_BLOCK}_0_conv",
        f"{BLOCK}/shortcut_norm": f"{_KERAS_BLOCK}_0_bn",
        "head": "predictions",
    },
    KERAS_LEAVES,
    separator="/",
    transposed=False,
)

# The names of Keras before version 2.2.5.
OLD_KERAS_RESNET = NameMap(
    {
        "stem_conv": "conv1",
        "stem_norm": "bn_conv1",
        **{f"{BLOCK}/conv_{n}": f"res{_OLD_KERAS_BRANCH}2{'abc'[n]}" for n in range(3)},
        **{f"{BLOCK}/norm_{n}": f"bn{_OLD_KERAS_BRANCH}2{'abc'[n]}" for n in range(3)},
        f"{BLOCK}/shortcut_conv": f"res{_OLD_KERAS_BRANCH}1",
        f"{BLOCK}/shortcut_norm": f"bn{_OLD_KERAS_BRANCH}1",
        "head": "fc1000",
    },
    KERAS_LEAVES,
    separator="/",
    transposed=False,
)
