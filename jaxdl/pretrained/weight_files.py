"""Reads files of weights as data: no code in them is ever executed."""

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
    """Reads all floating-point tensors of a file.

    Args:
      path: a safetensors file, or the ``model.json`` of a TensorFlow.js layers model, with the
        shards in the same folder.

    Returns:
      float32 arrays by their names; float16 and bfloat16 are converted, integers are omitted.

    Raises:
      UserError: the file is missing, damaged, or of another format.
    """
    if not path.is_file():
        raise UserError(f"The file of weights {path} does not exist: check the path.")
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise UserError(
            f"{path} is a PyTorch pickle, which can run code. If you trust it, convert it with "
            "safetensors.torch.save_file(torch.load(PATH, weights_only=True), NEW_PATH)."
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
        raise UserError(f"{path} is not a valid safetensors file: {error}.") from error
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
    """Returns the path of a shard: in the folder of the manifest, whatever folder its name has."""
    shard = path.parent / Path(name).name
    if not shard.is_file():
        raise UserError(f"{path} names the shard {name}: put it into the same folder.")
    return shard


def _split(content: bytes, described: list[dict[str, Any]], path: Path) -> dict[str, np.ndarray]:
    """Splits the bytes of a group of shards into its tensors, which are stored consecutively."""
    tensors, start = {}, 0
    for entry in described:
        name, shape = entry["name"], tuple(entry["shape"])
        if entry["dtype"] != "float32" or "quantization" in entry:
            raise UserError(f"{path}: the tensor {name} is not float32: export it as float32.")
        if any(type(side) is not int or side < 0 for side in shape):
            raise UserError(f"{path}: the tensor {name} has the invalid shape {list(shape)}.")
        stop = start + 4 * math.prod(shape)
        if stop > len(content):
            raise UserError(f"{path}: the shards end within the tensor {name}: fetch them again.")
        tensors[name] = np.frombuffer(content[start:stop], "<f4").reshape(shape)
        start = stop
    if start != len(content):
        raise UserError(
            f"{path}: the shards are {len(content) - start:,} bytes too long: fetch them again."
        )
    return tensors
