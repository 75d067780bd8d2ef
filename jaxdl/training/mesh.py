"""How a training is laid out over devices: examples are divided among them, the state too if asked.

The models and steps know nothing of it. Arrays are placed here, and ``jax.jit`` divides the
work and adds the communication; so a step on many devices is that on one device, up to
rounding: BatchNorm, too, sees the whole batch.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxdl.errors import UsageError

Tree = TypeVar("Tree")
Function = TypeVar("Function", bound=Callable[..., Any])

AXES = ("data", "fsdp")
SMALLEST_DIVIDED = 4096
"""Arrays of the state with fewer values are copied to all devices: not worth a message."""


def parse_layout(layout: str) -> dict[str, int]:
    """Devices along each axis, of "data=4,fsdp=2"; an axis that is not named has one.

    Raises:
      UsageError: it is not such a list.
    """
    sizes = dict.fromkeys(AXES, 1)
    for part in layout.split(","):
        match = re.fullmatch(r"(data|fsdp)=([1-9]\d*)", part.strip())
        if not match:
            raise UsageError(f'--mesh is "{layout}", but must be like data=4,fsdp=2.')
        sizes[match[1]] = int(match[2])
    return sizes


def make_mesh(layout: str = "", devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Devices as a mesh with the axes of `AXES`.

    Batches are divided along both axes. Along "fsdp", the train state is divided as well
    (Rajbhandari et al. 2019, "ZeRO", section 5).

    Args:
      layout: like "data=4,fsdp=2"; all devices along "data" if empty.
      devices: those of all processes if None.

    Raises:
      UsageError: the layout is not one, or is for another number of devices.
    """
    devices = jax.devices() if devices is None else devices
    count = len(devices)
    sizes = parse_layout(layout or f"data={count}")
    wanted = math.prod(sizes.values())
    if wanted != count:
        raise UsageError(f"--mesh {layout} is for {wanted} devices, but there are {count}.")
    return jax.make_mesh(
        tuple(sizes[axis] for axis in AXES),
        AXES,
        axis_types=(AxisType.Auto,) * len(AXES),
        devices=devices,
    )


def require_whole_shares(batch_size: int, mesh: Mesh) -> None:
    """Refuses a batch that does not divide among the devices.

    Raises:
      UsageError: it does not.
    """
    if batch_size % mesh.size:
        raise UsageError(
            f"--batch-size is {batch_size}, but must be a multiple of {mesh.size}, "
            "the number of devices."
        )


def by_example(mesh: Mesh) -> NamedSharding:
    """The first axis of an array divided among all devices."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def copied(mesh: Mesh) -> NamedSharding:
    """The whole array on each device."""
    return NamedSharding(mesh, PartitionSpec())


def of_state(shape: tuple[int, ...], mesh: Mesh) -> NamedSharding:
    """An array of the train state: its longest axis that "fsdp" divides, if it is large."""
    size = mesh.shape["fsdp"]
    divisible = [axis for axis, length in enumerate(shape) if length % size == 0]
    if size == 1 or math.prod(shape) < SMALLEST_DIVIDED or not divisible:
        return copied(mesh)
    longest = max(divisible, key=lambda axis: shape[axis])
    return NamedSharding(mesh, PartitionSpec(*[None] * longest, "fsdp"))


def constrain_state(state: Tree, mesh: Mesh) -> Tree:
    """Inside of a compiled function: the state as `of_state` lays it out."""
    return jax.tree.map(
        lambda array: lax.with_sharding_constraint(
            jnp.asarray(array), of_state(jnp.shape(array), mesh)
        ),
        state,
    )


def with_whole_arrays(function: Function, mesh: Mesh) -> Function:
    """A function whose first argument is gathered on every device before it is used.

    So the parameters are, where "fsdp" divides them: left to itself, the compiler would
    divide the activations as they are, and exchange those, which are larger.
    """
    if mesh.shape["fsdp"] == 1:
        return function

    def with_whole_first(tree: Any, *arguments: Any, **options: Any) -> Any:
        return function(lax.with_sharding_constraint(tree, copied(mesh)), *arguments, **options)

    return with_whole_first


def place(tree: Any, sharding: NamedSharding) -> Any:
    """Arrays that every process has, as arrays on the devices; each process gives its share."""

    def place_array(array: Any) -> jax.Array:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place_array, tree)


def fetch(tree: Any, mesh: Mesh) -> Any:
    """Arrays of the state, gathered, each whole on the first device of this process."""
    whole = jax.jit(lambda tree: tree, out_shardings=copied(mesh))(tree)
    return jax.tree.map(lambda array: array.addressable_data(0), whole)
