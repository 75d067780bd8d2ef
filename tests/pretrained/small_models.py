"""Small models with the architectures and file formats of the published ones."""

import dataclasses
import hashlib
import json
from functools import partial
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import save_file

from jaxdl.data.sources import File
from jaxdl.data.website import Website
from jaxdl.models.bert import Bert
from jaxdl.models.resnet import BottleneckBlock, ResNet
from jaxdl.models.vit import ViT
from jaxdl.pretrained import PUBLISHED, Published
from jaxdl.pretrained.conversion import export_tensors
from jaxdl.pretrained.loading import describe_variables, stage_sizes_of
from jaxdl.pretrained.preprocessing import Preprocessing

CLOSED_PORT = "http://127.0.0.1:9/"
WORDS = ("good", "bad", "film", "the", "a", "was", "it", "##s", ".", "wonderful", "boring")
WORDS += ("brilliant", "moving", "awful", "dull", "and", "its", "story", "of", "man")
PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS)
COLOURS = ("red", "green", "blue", "grey")

small_bert = partial(
    Bert,
    vocabulary_size=len(PIECES),
    max_length=512,
    embed_dim=16,
    num_layers=3,
    num_heads=2,
    mlp_dim=32,
)
SMALL = {
    "minilm": dataclasses.replace(
        PUBLISHED["minilm"],
        build=partial(small_bert, pooling="mean", num_classes=0),
        sequence_length=64,
    ),
    "distilbert-sst2": dataclasses.replace(
        PUBLISHED["distilbert-sst2"],
        build=partial(small_bert, num_token_types=0, pooling="relu"),
        sequence_length=64,
    ),
    "resnet50": dataclasses.replace(
        PUBLISHED["resnet50-torchvision"],
        build=partial(ResNet, (2, 2), features=4, block=BottleneckBlock, num_classes=4),
        preprocessing=Preprocessing(side=32),
        class_names=COLOURS,
    ),
    "vit-base": dataclasses.replace(
        PUBLISHED["vit-base"],
        build=partial(ViT, patch_size=16, embed_dim=16, num_layers=2, num_heads=2, num_classes=4),
        preprocessing=Preprocessing(side=64),
        class_names=COLOURS,
    ),
}


def random_variables(published: Published, seed: int = 0):
    """Draws variables of a published model; no scale is 0 and no statistic trivial."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        values = 0.2 * random.normal(size=leaf.shape)
        if path[-1].key in ("scale", "var"):
            values = 1 + np.abs(values)
        return values.astype(np.float32)

    shapes = describe_variables(published.build(), published)
    return jax.tree_util.tree_map_with_path(draw, shapes)


def describe(path: Path) -> File:
    content = path.read_bytes()
    return File(path.name, len(content), hashlib.sha256(content).hexdigest())


def place(name: str, data_dir: Path) -> Published:
    """Writes the files of a small model to the folder of the published one."""
    published = SMALL[name]
    folder = data_dir / "weights" / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors = export_tensors(
        random_variables(published), published.names[0], stage_sizes_of(published.build())
    )
    save_file(tensors, folder / published.weights)
    files = [folder / published.weights]
    if published.reads == "text":
        (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
        files.append(folder / "vocab.txt")
    source = Website(CLOSED_PORT, tuple(describe(path) for path in files))
    return dataclasses.replace(published, sources=(source,))


def write_tfjs(tensors: dict[str, np.ndarray], folder: Path, shard_bytes: int = 100) -> Path:
    """Writes tensors in the format of TensorFlow.js and returns the path of the manifest."""
    content = b"".join(tensor.astype("<f4").tobytes() for tensor in tensors.values())
    paths = []
    for number, start in enumerate(range(0, len(content), shard_bytes), start=1):
        paths.append(f"group1-shard{number}.bin")
        (folder / paths[-1]).write_bytes(content[start : start + shard_bytes])
    weights = [
        {"name": name, "shape": list(tensor.shape), "dtype": "float32"}
        for name, tensor in tensors.items()
    ]
    manifest = {"weightsManifest": [{"paths": paths, "weights": weights}]}
    (folder / "model.json").write_text(json.dumps(manifest))
    return folder / "model.json"
