"""Reads files of weights as data: no code in them is ever executed."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from jaxdl.errors import UserError, one_line

PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
SAFETENSORS, TFJS = ".safetensors", ".json"
HEADER_BYTES = 1 << 22  # more than the names and shapes of the tensors need
MOST_BYTES = 1 << 30
LARGEST = 1e18  # the squares of values that are much larger are not finite in float32
MOST_DIMENSIONS, LONGEST_SIDE = 32, 1 << 31


def read_tensors(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """Reads all floating-point tensors of a file.

    Args:
      path: a safetensors file, or the ``model.json`` of a TensorFlow.js layers model, with the
        shards in the same folder.
      most_bytes: how many bytes of tensors it may have; a larger file is not read.

    Returns:
      float32 arrays by their names; float16 and bfloat16 are converted, integers are omitted.

    Raises:
      UserError: the file is missing, damaged, too large, or of another format, or a value is not
        finite or is absurdly large.
    """
    if not path.is_file():
        raise UserError(f"The file of weights {path} does not exist: check the path.")
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise UserError(
            f"{path} is a PyTorch pickle, which can run code. If you trust it, convert it with "
            "safetensors.torch.save_file(torch.load(PATH, weights_only=True), NEW_PATH)."
        )
    readers = {SAFETENSORS: _read_safetensors, TFJS: _read_tfjs}
    if suffix not in readers:
        raise UserError(
            f"{path}: give weights as .safetensors, or as the model.json of TensorFlow.js."
        )
    tensors = readers[suffix](path, most_bytes)
    for name, tensor in tensors.items():
        if not (np.abs(tensor) < LARGEST).all():  # NaN < LARGEST is False
            raise UserError(
                f"{path}: the tensor {name} has values that are not finite or are beyond "
                f"{LARGEST:g}: fetch or export the file again."
            )
    return tensors


def _require_at_most(most_bytes: int, size: int, path: Path) -> None:
    if size > most_bytes:
        raise UserError(
            f"{path} is too large: {size:,} bytes, where at most {most_bytes:,} are read. Give "
            "weights of the same architecture."
        )


def _require_plain(name: Any, path: Path) -> None:
    """Refuses a name that is too long to be shown, or would control the terminal."""
    if not (isinstance(name, str) and name.isprintable() and len(name) < 1000):
        raise UserError(f"{path} has an invalid name of a tensor or a shard: {name!r:.100}.")


def _read_safetensors(path: Path, most_bytes: int) -> dict[str, np.ndarray]:
    _require_at_most(HEADER_BYTES + most_bytes, path.stat().st_size, path)
    try:
        with path.open("rb") as stream:
            if int.from_bytes(stream.read(8), "little") > HEADER_BYTES:
                raise ValueError("its header is too long")
        with safe_open(path, framework="flax") as file:  # numpy has no bfloat16
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError, ValueError, OverflowError) as error:
        reason = one_line(str(error)).rstrip(".")
        raise UserError(f"{path} is not a valid safetensors file: {reason}.") from error
    for name in tensors:
        _require_plain(name, path)
    return {
        name: np.asarray(tensor, np.float32)
        for name, tensor in tensors.items()
        if np.issubdtype(tensor.dtype, np.floating) or tensor.dtype.name == "bfloat16"
    }


def _read_tfjs(path: Path, most_bytes: int) -> dict[str, np.ndarray]:
    _require_at_most(HEADER_BYTES, path.stat().st_size, path)
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]
        shards = [[_shard(path, name) for name in group["paths"]] for group in groups]
        size = sum(shard.stat().st_size for group in shards for shard in group)
        _require_at_most(most_bytes, size, path)
        tensors: dict[str, np.ndarray] = {}
        for group, paths in zip(groups, shards, strict=True):
            content = b"".join(shard.read_bytes() for shard in paths)
            tensors |= _split(content, group["weights"], path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not the model.json of a TensorFlow.js layers model.") from error
    return tensors


def _shard(path: Path, name: str) -> Path:
    """Returns the path of a shard: in the folder of the manifest, whatever folder its name has."""
    _require_plain(name, path)
    shard = path.parent / Path(name).name
    if not shard.is_file():
        raise UserError(f"{path} names the shard {name}: put it into the same folder.")
    return shard


def _split(content: bytes, described: list[dict[str, Any]], path: Path) -> dict[str, np.ndarray]:
    """Splits the bytes of a group of shards into its tensors, which are stored consecutively."""
    tensors, start = {}, 0
    for entry in described:
        name, shape = entry["name"], tuple(entry["shape"])
        _require_plain(name, path)
        if entry["dtype"] != "float32" or "quantization" in entry:
            raise UserError(f"{path}: the tensor {name} is not float32: export it as float32.")
        sides_fit = all(type(side) is int and 0 <= side < LONGEST_SIDE for side in shape)
        if len(shape) > MOST_DIMENSIONS or not sides_fit:
            raise UserError(
                f"{path}: the tensor {name} has the invalid shape {list(shape)!s:.100}."
            )
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
