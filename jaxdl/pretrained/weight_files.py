"""Reading files of weights, as data: nothing in them is run."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from jaxdl.errors import UserError

PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
SAFETENSORS, TFJS = ".safetensors", ".json"


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """All tensors of a file by their names.

    Args:
      path: a safetensors file, or the ``model.json`` of a TensorFlow.js layers model, whose
        shards lie beside it.

    Returns:
      float32 arrays; float16 and bfloat16 are widened, integers left out.

    Raises:
      UserError: the file is missing, damaged, or of another format.
    """
    if not path.is_file():
        raise UserError(f"There is no file of weights {path}.")
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise UserError(
            f"{path} is a PyTorch pickle, which can run code when it is read. Convert it where you "
            "trust it: safetensors.torch.save_file(torch.load(PATH, weights_only=True), NEW_PATH)."
        )
    if suffix == SAFETENSORS:
        return _read_safetensors(path)
    if suffix == TFJS:
        return _read_tfjs(path)
    raise UserError(f"{path}: give weights as .safetensors, or as the model.json of TensorFlow.js.")


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        with safe_open(path, framework="flax") as file:  # numpy has no bfloat16
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no sound safetensors file: {error}.") from error
    return {
        name: np.asarray(tensor, np.float32)
        for name, tensor in tensors.items()
        if np.issubdtype(tensor.dtype, np.floating) or tensor.dtype.name == "bfloat16"
    }


def _read_tfjs(path: Path) -> dict[str, np.ndarray]:
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]
        tensors: dict[str, np.ndarray] = {}
        for group in groups:
            content = b"".join(_shard(path, name).read_bytes() for name in group["paths"])
            tensors |= _split(content, group["weights"], path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the model.json of a TensorFlow.js layers model.") from error
    return tensors


def _shard(path: Path, name: str) -> Path:
    """A shard's place: beside the manifest, wherever its name points to."""
    shard = path.parent / Path(name).name
    if not shard.is_file():
        raise UserError(f"{path} names the shard {name}, which is not beside it.")
    return shard


def _split(content: bytes, described: list[dict[str, Any]], path: Path) -> dict[str, np.ndarray]:
    """Cuts the bytes of a group into its tensors, which lie there one after the other."""
    tensors, start = {}, 0
    for entry in described:
        name, shape = entry["name"], tuple(entry["shape"])
        if entry["dtype"] != "float32" or "quantization" in entry:
            raise UserError(f"{path}: the tensor {name} is not stored as float32; export it so.")
        if any(type(side) is not int or side < 0 for side in shape):
            raise UserError(f"{path}: the tensor {name} has the shape {list(shape)}.")
        stop = start + 4 * math.prod(shape)
        if stop > len(content):
            raise UserError(f"{path}: the shards end before the tensor {name} does.")
        tensors[name] = np.frombuffer(content[start:stop], "<f4").reshape(shape)
        start = stop
    if start != len(content):
        raise UserError(f"{path}: the shards hold {len(content) - start:,} bytes of no tensor.")
    return tensors
