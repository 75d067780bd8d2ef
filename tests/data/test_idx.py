import gzip

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, strategies
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
