"""Layouts over devices; steps on eight of them are compared in tests/experiments."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies
from jax.sharding import AbstractMesh

from jaxdl.errors import UsageError
from jaxdl.training.mesh import (
    AXES,
    SMALLEST_SHARDED,
    batch_sharding,
    device_get,
    device_put,
    make_mesh,
    parse_layout,
    replicated,
    require_equal_shards,
    state_sharding,
    with_gathered_params,
)


@pytest.mark.parametrize(
    ("layout", "sizes"),
    [
        ("data=4,fsdp=2", {"data": 4, "fsdp": 2}),
        ("fsdp=8", {"data": 1, "fsdp": 8}),
        ("data=1", {"data": 1, "fsdp": 1}),
    ],
)
def test_a_layout_names_the_devices_along_each_axis(layout, sizes):
    assert parse_layout(layout) == sizes


@pytest.mark.parametrize(
    "layout", ["", "4", "data", "data=0", "data=-1", "model=2", "data=2;fsdp=2", "data=2,data=4"]
)
def test_another_layout_is_refused_in_one_line(layout):
    with pytest.raises(UsageError, match="must look like data=4,fsdp=2"):
        parse_layout(layout)


def test_a_layout_for_another_number_of_devices_is_refused():
    with pytest.raises(UsageError, match="is for 3 devices, but there are 1"):
        make_mesh("data=3", jax.devices()[:1])


EIGHT_DEVICES = AbstractMesh((2, 4), AXES)


@given(shape=strategies.lists(strategies.integers(1, 300), max_size=4))
def test_a_large_array_of_the_state_is_sharded_along_its_longest_divisible_axis(shape):
    spec = state_sharding(tuple(shape), EIGHT_DEVICES).spec
    sharded = [axis for axis, name in enumerate(spec) if name == "fsdp"]
    divisible = [length for length in shape if length % 4 == 0]
    if np.prod(shape) < SMALLEST_SHARDED or not divisible:
        assert not sharded
    else:
        (axis,) = sharded
        assert shape[axis] == max(divisible)


@pytest.mark.parametrize("sharding", [replicated, batch_sharding])
def test_arrays_that_are_put_on_the_devices_and_gathered_are_the_same(sharding):
    mesh = make_mesh(devices=jax.devices()[:1])
    assert mesh.axis_names == AXES
    tree = {"a": np.arange(6.0).reshape(3, 2), "b": np.arange(3)}
    on_devices = device_put(tree, sharding(mesh))
    assert all(array.sharding == sharding(mesh) for array in on_devices.values())
    jax.tree.map(np.testing.assert_array_equal, device_get(on_devices, mesh), tree)


def test_a_batch_must_have_equal_shards():
    require_equal_shards(16, EIGHT_DEVICES)
    with pytest.raises(UsageError, match="--batch-size is 12, but must be a multiple of 8"):
        require_equal_shards(12, EIGHT_DEVICES)


def test_parameters_are_gathered_only_where_they_are_sharded():
    def add(params, x, *, scale):
        return params + scale * x

    assert with_gathered_params(add, make_mesh(devices=jax.devices()[:1])) is add
    gathered = with_gathered_params(add, EIGHT_DEVICES)
    jaxpr = jax.make_jaxpr(lambda params, x: gathered(params, x, scale=2.0))(1.0, 1.0)
    assert "sharding_constraint" in str(jaxpr)
