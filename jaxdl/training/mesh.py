"""How a training is sharded: examples over all devices, and the train state too if asked.

Models and steps know nothing of it. Arrays are put on the devices here, and ``jax.jit``
partitions the computation and inserts the collectives; so a step on many devices equals that on
one device up to rounding. BatchNorm, too, sees the whole batch.
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
SMALLEST_SHARDED = 4096
"""Arrays of the state with fewer values are replicated: a collective would cost more."""


def parse_layout(layout: str) -> dict[str, int]:
    """Parses "data=4,fsdp=2" into the number of devices along each axis, 1 if not named.

    Raises:
      UsageError: the layout is malformed, or names an axis twice.
    """
    sizes: dict[str, int] = {}
    for part in layout.split(","):
        match = re.fullmatch(r"(data|fsdp)=([1-9]\d*)", part.strip())
        if not match or match[1] in sizes:
            raise UsageError(f'--mesh is "{layout}", but must look like data=4,fsdp=2.')
        sizes[match[1]] = int(match[2])
    return dict.fromkeys(AXES, 1) | sizes


def make_mesh(layout: str = "", devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Arranges devices as a mesh with the axes of `AXES`.

    Batches are sharded along both axes. Along "fsdp", the train state is sharded as well
    (Rajbhandari et al. 2019, "ZeRO", section 5).

    Args:
      layout: like "data=4,fsdp=2"; all devices along "data" if empty.
      devices: those of all processes if None.

    Raises:
      UsageError: the layout is malformed, or is for another number of devices.
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


def require_equal_shards(batch_size: int, mesh: Mesh) -> None:
    """Refuses a batch that cannot be sharded evenly.

    Raises:
      UsageError: the number of devices does not divide the batch size.
    """
    if batch_size % mesh.size:
        raise UsageError(
            f"--batch-size is {batch_size}, but must be a multiple of {mesh.size}, "
            "the number of devices."
        )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Shards the first axis of an array over all devices."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """Replicates an array on all devices."""
    return NamedSharding(mesh, PartitionSpec())


def state_sharding(shape: tuple[int, ...], mesh: Mesh) -> NamedSharding:
    """Shards a large array of the train state along its longest axis that "fsdp" divides evenly."""
    size = mesh.shape["fsdp"]
    divisible = [axis for axis, length in enumerate(shape) if length % size == 0]
    if size == 1 or math.prod(shape) < SMALLEST_SHARDED or not divisible:
        return replicated(mesh)
    longest = max(divisible, key=lambda axis: shape[axis])
    return NamedSharding(mesh, PartitionSpec(*[None] * longest, "fsdp"))


def constrain_state(state: Tree, mesh: Mesh) -> Tree:
    """Inside a compiled function: shards the train state by `state_sharding`."""
    return jax.tree.map(
        lambda array: lax.with_sharding_constraint(
            jnp.asarray(array), state_sharding(jnp.shape(array), mesh)
        ),
        state,
    )


def with_gathered_params(function: Function, mesh: Mesh) -> Function:
    """Wraps a function so that its first argument is all-gathered before it is used.

    That argument is the variables of a model, which "fsdp" shards. Without this, the compiler would
    shard the activations in the same way and communicate those, which are larger.
    """
    if mesh.shape["fsdp"] == 1:
        return function

    def with_gathered_first(tree: Any, *arguments: Any, **options: Any) -> Any:
        gathered = lax.with_sharding_constraint(tree, replicated(mesh))
        return function(gathered, *arguments, **options)

    return with_gathered_first


def device_put(tree: Any, sharding: NamedSharding) -> Any:
    """Puts arrays on the devices; every process has all of them, and supplies its own shards."""

    def put(array: Any) -> jax.Array:
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(put, tree)


def rows_of_this_process(mesh: Mesh, batch_size: int) -> np.ndarray:
    """Returns which rows of a batch are on devices of this process, in increasing order."""
    places = batch_sharding(mesh).addressable_devices_indices_map((batch_size,)).values()
    return np.array(sorted({row for (place,) in places for row in range(batch_size)[place]}))


def put_rows(array: np.ndarray, batch_size: int, mesh: Mesh) -> jax.Array:
    """Puts a batch on the devices; ``array`` has only the `rows_of_this_process`."""
    shape = (batch_size, *array.shape[1:])
    return jax.make_array_from_process_local_data(batch_sharding(mesh), array, shape)


def device_get(tree: Any, mesh: Mesh) -> Any:
    """All-gathers arrays of the state; returns the copies on the first device of this process."""
    gathered = jax.jit(lambda tree: tree, out_shardings=replicated(mesh))(tree)
    return jax.tree.map(lambda array: array.addressable_data(0), gathered)
