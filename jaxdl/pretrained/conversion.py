"""Converts published tensors to the variables of our modules, and back, by a map of names.

On both sides a parameter is first brought into a plain form: a vector, a matrix (inputs, outputs),
or the kernel of a convolution (height, width, inputs, outputs).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import flax.traverse_util
import jax
import numpy as np

from jaxdl.errors import UserError
from jaxdl.pretrained.name_maps import NameMap

Tensors = Mapping[str, np.ndarray]
BARE = ("positions", "token_types", "token")
COLOURS = 3
REMEDY = "give weights of the same architecture"


class MismatchError(UserError):
    """The tensors do not fit the module; the message names the first one that differs."""


def import_variables(
    shapes: Any, tensors: Tensors, names: NameMap, stage_sizes: Sequence[int] = (), source: str = ""
) -> Any:
    """Makes the variables of a module from published tensors.

    Our convolutions before a normalisation have no bias: a published one is subtracted from the
    running mean of that normalisation.

    Args:
      shapes: shapes of the module's variables, from ``jax.eval_shape(model.init, ...)``.
      tensors: the published tensors by name, of any float dtype.
      names: the map of names that the tensors follow.
      stage_sizes: number of blocks of each stage of a residual network.
      source: what error messages call the tensors.

    Returns:
      The variables, float32 numpy arrays.

    Raises:
      MismatchError: a tensor is missing, has another shape, or has no place in the module.
    """
    tensors = with_prefix(tensors, names)
    used: set[str] = set()

    def take(name: str, shape: tuple[int, ...], ours: str) -> np.ndarray:
        if name not in tensors:
            raise MismatchError(f"{source} lacks the tensor {name} (our {ours}): {REMEDY}.")
        if tensors[name].shape != shape:
            raise MismatchError(
                f"{source}: the tensor {name} has the shape {tensors[name].shape}, but our {ours} "
                f"needs {shape}: {REMEDY}."
            )
        used.add(name)
        return np.asarray(tensors[name], np.float32)

    def convert(path: tuple[str, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        ours = "/".join(path[1:])
        theirs = published_names(ours, names, stage_sizes)
        like_ours = np.broadcast_to(np.float32(0), leaf.shape)
        joined, *others = to_published(like_ours, ours, names).shape
        parts = [take(name, (joined // len(theirs), *others), ours) for name in theirs]
        value = from_published(np.concatenate(parts), ours, names)
        bias = bias_before(ours, names, stage_sizes)
        if bias in tensors:
            value = value - take(bias, value.shape, ours)
        return np.ascontiguousarray(value.reshape(leaf.shape))

    flat = flax.traverse_util.flatten_dict(shapes)
    variables = {path: convert(path, leaf) for path, leaf in flat.items()}
    unused = [name for name in tensors if name not in used and not name.startswith(names.ignored)]
    if unused:
        others = f" and {len(unused) - 1} more" if len(unused) > 1 else ""
        raise MismatchError(
            f"{source} has tensors that our model does not have, {unused[0]}{others}: {REMEDY}."
        )
    return flax.traverse_util.unflatten_dict(variables)


def likeliest_names(
    shapes: Any, tensors: Tensors, candidates: Sequence[NameMap], stage_sizes: Sequence[int] = ()
) -> NameMap:
    """Returns the map that finds the most tensors; arguments as in `import_variables`."""

    def found(names: NameMap) -> int:
        paths = flax.traverse_util.flatten_dict(shapes)
        ours = ["/".join(path[1:]) for path in paths]
        theirs = {name for path in ours for name in published_names(path, names, stage_sizes)}
        return len(theirs & with_prefix(tensors, names).keys())

    return max(candidates, key=found)


def export_tensors(
    variables: Any, names: NameMap, stage_sizes: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """Inverts `import_variables`: returns float32 tensors by their published names."""
    tensors = {}
    for path, leaf in flax.traverse_util.flatten_dict(variables).items():
        ours = "/".join(path[1:])
        theirs = published_names(ours, names, stage_sizes)
        value = to_published(np.asarray(leaf, np.float32), ours, names)
        for name, part in zip(theirs, np.split(value, len(theirs)), strict=True):
            tensors[name] = np.ascontiguousarray(part)
    return tensors


def with_prefix(tensors: Tensors, names: NameMap) -> Tensors:
    """Adds the encoder's prefix to the names of the tensors, if the file omits it."""
    if not names.prefix or any(name.startswith(names.prefix) for name in tensors):
        return tensors
    of_encoder = [
        theirs.removeprefix(names.prefix).split("{")[0]
        for entry in names.layers.values()
        for theirs in ([entry] if isinstance(entry, str) else entry)
        if theirs.startswith(names.prefix)
    ]
    return {
        names.prefix + name if name.startswith(tuple(of_encoder)) else name: tensor
        for name, tensor in tensors.items()
    }


def published_names(ours: str, names: NameMap, stage_sizes: Sequence[int]) -> list[str]:
    """Returns the names of the tensors that are joined to our parameter ``layer/.../leaf``."""
    layer, _, leaf = ours.rpartition("/")
    block = re.search(r"block_(\d+)", ours)
    entry = names.layers[re.sub(r"block_\d+", "block_{block}", layer or leaf)]
    entries: Iterable[str] = (entry,) if isinstance(entry, str) else entry
    fields = _fields(int(block[1]), stage_sizes) if block else {}
    filled = [name.format(**fields) for name in entries]
    if not layer:
        return filled
    ending = names.leaves["shift" if leaf == "bias" and "norm" in layer else leaf]
    return [f"{name}{names.separator}{ending}" for name in filled]


def _fields(block: int, stage_sizes: Sequence[int]) -> dict[str, Any]:
    """Returns the values of the fields in the published names of a block's layers."""
    places = [(stage, layer) for stage, size in enumerate(stage_sizes) for layer in range(size)]
    stage, layer = places[block] if places else (0, block)
    return {
        "block": block,
        "stage": stage,
        "stage_1": stage + 1,
        "stage_2": stage + 2,
        "layer": layer,
        "layer_1": layer + 1,
        "letter": chr(ord("a") + layer),
    }


def bias_before(ours: str, names: NameMap, stage_sizes: Sequence[int]) -> str | None:
    """Returns the published name of the bias of the convolution before a running mean, or None."""
    of_convolution = re.sub(r"norm(_\d+)?/mean$", r"conv\1/bias", ours)
    if of_convolution == ours:
        return None
    return published_names(of_convolution, names, stage_sizes)[0]


def to_published(value: np.ndarray, ours: str, names: NameMap) -> np.ndarray:
    """Brings our parameter into the published shape and order of axes."""
    if not names.transposed and value.ndim == 4:
        return value
    if ours == "embedding/kernel":  # of patches: a convolution whose stride is its window
        side = math.isqrt(value.shape[0] // COLOURS)
        return value.reshape(side, side, COLOURS, -1).transpose(3, 2, 0, 1)
    if not ours.endswith("kernel"):
        return value if ours in BARE or ours.endswith("embedding") else value.reshape(-1)
    if "conv" in ours:
        return value.transpose(3, 2, 0, 1)
    num_inputs = math.prod(value.shape[:2] if ours.endswith("output/kernel") else value.shape[:1])
    matrix = value.reshape(num_inputs, -1)
    return matrix.T if names.transposed else matrix


def from_published(value: np.ndarray, ours: str, names: NameMap) -> np.ndarray:
    """Inverts `to_published`, except for the reshaping."""
    if not names.transposed or not ours.endswith("kernel"):
        return value
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
