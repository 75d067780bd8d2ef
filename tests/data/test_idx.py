import gzip

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies
from small_mnist import idx

from jaxdl.data.idx import read_idx
from jaxdl.errors import UserError

any_array = strategies.integers(1, 3).flatmap(
    lambda dimensions: arrays.arrays(
        np.uint8, arrays.array_shapes(min_dims=dimensions, max_dims=dimensions)
    )
)


@given(any_array)
def test_what_was_written_is_read(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("idx") / "array.gz"
    path.write_bytes(idx(array))
    np.testing.assert_array_equal(read_idx(path, array.ndim), array)


def damaged_archives():
    array = np.arange(100, dtype=np.uint8)
    whole = idx(array)
    content = gzip.decompress(whole)
    yield "truncated archive", whole[: len(whole) // 2]
    yield "not gzip", content
    yield "empty", b""
    yield "other element type", gzip.compress(bytes((0, 0, 13, 1)) + content[4:])
    yield "other number of dimensions", idx(array.reshape(10, 10))
    yield "too few bytes", gzip.compress(content[:-1])
    yield "too many bytes", gzip.compress(content + b"x")
    yield "only half a header", gzip.compress(content[:6])


DAMAGED = dict(damaged_archives())


@pytest.mark.parametrize("kind", DAMAGED)
def test_the_error_of_a_damaged_archive_is_one_line(tmp_path, kind):
    path = tmp_path / "labels.gz"
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(
        UserError, match=r"labels\.gz is damaged \(.*\)\. Delete it to download it again\.$"
    ) as failure:
        read_idx(path, 1)
    assert "\n" not in str(failure.value)


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxdl.data.idx.MOST_BYTES", 1000)
    (tmp_path / "images.gz").write_bytes(idx(np.zeros((10, 10, 10), np.uint8)))
    with pytest.raises(UserError, match="it has more than 1,000 bytes"):
        read_idx(tmp_path / "images.gz", 3)


side = strategies.sampled_from([0, 1, 2, 3, 2**31, 2**32 - 1])
header = strategies.lists(side, max_size=4).map(
    lambda sides: bytes((0, 0, 8, len(sides))) + b"".join(s.to_bytes(4, "big") for s in sides)
)


@settings(max_examples=200, deadline=None)
@given(
    start=header | strategies.binary(max_size=20),
    rest=strategies.binary(max_size=30),
    dimensions=strategies.integers(1, 3),
    packed=strategies.booleans(),
)
@example(bytes((0, 0, 8, 3)) + bytes(4) + b"\xff" * 8, b"", 3, True)
def test_any_bytes_are_read_or_refused(tmp_path_factory, start, rest, dimensions, packed):
    path = tmp_path_factory.mktemp("idx") / "array.gz"
    content = start + rest
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    try:
        array = read_idx(path, dimensions)
    except UserError as error:
        assert str(error).isprintable()
    else:
        assert array.tobytes() == rest[-array.size :]
