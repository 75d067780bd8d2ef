"""The layout over devices; steps on eight of them are compared in tests/experiments."""

import jax
import numpy as np
import pytest
from hypothesis import given, strategies
from jax.sharding import AbstractMesh

from jaxdl.errors import UsageError
from jaxdl.training.mesh import (
    AXES,
    SMALLEST_DIVIDED,
    copied,
    fetch,
    make_mesh,
    of_state,
    parse_layout,
    place,
    require_whole_shares,
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
    "layout", ["", "4", "data", "data=0", "data=-1", "model=2", "data=2;fsdp=2"]
)
def test_another_layout_is_refused_in_one_line(layout):
    with pytest.raises(UsageError, match="must be like data=4,fsdp=2"):
        parse_layout(layout)


def test_a_layout_for_another_number_of_devices_is_refused():
    with pytest.raises(UsageError, match="is for 3 devices, but there are 1"):
        make_mesh("data=3", jax.devices()[:1])


EIGHT_DEVICES = AbstractMesh((2, 4), AXES)


@given(shape=strategies.lists(strategies.integers(1, 300), max_size=4))
def test_the_state_is_divided_along_its_longest_axis_if_it_is_large(shape):
    spec = of_state(tuple(shape), EIGHT_DEVICES).spec
    divided = [axis for axis, name in enumerate(spec) if name == "fsdp"]
    divisible = [length for length in shape if length % 4 == 0]
    if np.prod(shape) < SMALLEST_DIVIDED or not divisible:
        assert not divided
    else:
        (axis,) = divided
        assert shape[axis] == max(divisible)


def test_arrays_come_back_as_they_were_placed():
    mesh = make_mesh()
    assert mesh.axis_names == AXES
    tree = {"a": np.arange(6.0).reshape(3, 2), "b": np.float32(3)}
    placed = place(tree, copied(mesh))
    jax.tree.map(np.testing.assert_array_equal, fetch(placed, mesh), tree)


def test_a_batch_has_a_whole_share_for_each_device():
    mesh = AbstractMesh((2, 4), AXES)
    require_whole_shares(16, mesh)
    with pytest.raises(UsageError, match="--batch-size is 12, but must be a multiple of 8"):
        require_whole_shares(12, mesh)
