"""Published tensors to the variables of our modules, and back, by a map of names.

On both sides a parameter is brought into a plain form: a vector, a matrix (inputs, outputs), or
the kernel of a convolution (height, width, inputs, outputs).
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


class MismatchError(UserError):
    """Tensors are not those of the module: the message names the first that differs."""


def import_variables(
    shapes: Any, tensors: Tensors, names: NameMap, stage_sizes: Sequence[int] = (), source: str = ""
) -> Any:
    """Variables of a module, made of published tensors.

    A bias of a convolution, which ours have not, is subtracted from the running mean of the
    normalisation that follows it.

    Args:
      shapes: of the module's variables, from ``jax.eval_shape(model.init, ...)``.
      tensors: by their published names, of any float dtype.
      names: what they are called.
      stage_sizes: of a residual network, its blocks in each stage.
      source: what messages call the tensors.

    Returns:
      The variables, float32 numpy arrays.

    Raises:
      MismatchError: a tensor is missing, has another shape, or belongs to nothing.
    """
    tensors = with_prefix(tensors, names)
    used: set[str] = set()

    def take(name: str, shape: tuple[int, ...], of: str) -> np.ndarray:
        if name not in tensors:
            raise MismatchError(f"{source} lacks the tensor {name}, which is our {of}.")
        if tensors[name].shape != shape:
            raise MismatchError(
                f"{source}: the tensor {name} has the shape {tensors[name].shape}, but our {of} "
                f"needs {shape}."
            )
        used.add(name)
        return np.asarray(tensors[name], np.float32)

    def convert(path: tuple[str, ...], leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        ours = "/".join(path[1:])
        theirs = published_names(ours, names, stage_sizes)
        joined, *others = published_shape(ours, leaf.shape, names)
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
        raise MismatchError(f"{source} has tensors that our model has not: {unused[0]}{others}.")
    return flax.traverse_util.unflatten_dict(variables)


def likeliest_names(
    shapes: Any, tensors: Tensors, candidates: Sequence[NameMap], stage_sizes: Sequence[int] = ()
) -> NameMap:
    """The map that finds most of the tensors; arguments as in `import_variables`."""

    def found(names: NameMap) -> int:
        paths = flax.traverse_util.flatten_dict(shapes)
        ours = ["/".join(path[1:]) for path in paths]
        theirs = {name for path in ours for name in published_names(path, names, stage_sizes)}
        return len(theirs & with_prefix(tensors, names).keys())

    return max(candidates, key=found)


def export_tensors(
    variables: Any, names: NameMap, stage_sizes: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """The inverse of `import_variables`: tensors under their published names, float32."""
    tensors = {}
    for path, leaf in flax.traverse_util.flatten_dict(variables).items():
        ours = "/".join(path[1:])
        theirs = published_names(ours, names, stage_sizes)
        value = to_published(np.asarray(leaf, np.float32), ours, names)
        for name, part in zip(theirs, np.split(value, len(theirs)), strict=True):
            tensors[name] = np.ascontiguousarray(part)
    return tensors


def with_prefix(tensors: Tensors, names: NameMap) -> Tensors:
    """The tensors under their full names, where the file left the encoder's prefix out."""
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
    """What a parameter of ours, ``layer/.../leaf``, is called; several are to be joined."""
    layer, _, leaf = ours.rpartition("/")
    number = re.search(r"Block_(\d+)", ours)
    general = re.sub(r"Block_\d+", "Block_{block}", layer or leaf)
    entry = names.layers[general]
    entries: Iterable[str] = (entry,) if isinstance(entry, str) else entry
    fields = _numbers(int(number[1]), stage_sizes) if number else {}
    filled = [name.format(**fields) for name in entries]
    if not layer:
        return filled
    is_shift = leaf == "bias" and "Norm_" in layer and "shift" in names.leaves
    ending = names.leaves["shift" if is_shift else leaf]
    return [f"{name}{names.separator}{ending}" for name in filled]


def _numbers(block: int, stage_sizes: Sequence[int]) -> dict[str, Any]:
    """What the fields of a name stand for in a block."""
    stage, layer = 0, block
    while stage < len(stage_sizes) and layer >= stage_sizes[stage]:
        layer -= stage_sizes[stage]
        stage += 1
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
    """The published name of the bias of the convolution before a running mean."""
    if not re.search(r"BatchNorm_\d+/mean$", ours):
        return None
    of_convolution = re.sub(r"BatchNorm_(\d+)/mean$", r"Conv_\1/bias", ours)
    return published_names(of_convolution, names, stage_sizes)[0]


def to_published(value: np.ndarray, ours: str, names: NameMap) -> np.ndarray:
    """A parameter of ours in the axes of the published one."""
    if not names.transposed and value.ndim == 4:
        return value
    if ours == "embedding/kernel":  # of patches: a convolution whose stride is its window
        side = math.isqrt(value.shape[0] // COLOURS)
        return value.reshape(side, side, COLOURS, -1).transpose(3, 2, 0, 1)
    if not ours.endswith("kernel"):
        return value if ours in BARE or ours.endswith("embedding") else value.reshape(-1)
    if "Conv_" in ours:
        return value.transpose(3, 2, 0, 1)
    num_inputs = math.prod(value.shape[:2] if ours.endswith("output/kernel") else value.shape[:1])
    matrix = value.reshape(num_inputs, -1)
    return matrix.T if names.transposed else matrix


def from_published(value: np.ndarray, ours: str, names: NameMap) -> np.ndarray:
    """The inverse of `to_published`, but for the reshaping at its beginning."""
    if not names.transposed or not ours.endswith("kernel"):
        return value
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T


def published_shape(ours: str, shape: tuple[int, ...], names: NameMap) -> tuple[int, ...]:
    """The shape of a published parameter, from that of ours."""
    return to_published(np.broadcast_to(np.float32(0), shape), ours, names).shape
