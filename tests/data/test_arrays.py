import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, strategies

from jaxdl.data import arrays
from jaxdl.data.arrays import Decoded

features = strategies.dictionaries(
    strategies.sampled_from(["image", "label"]),
    numpy_strategies.arrays(
        strategies.sampled_from([np.uint8, np.int32]), numpy_strategies.array_shapes(min_side=0)
    ),
    min_size=1,
)
any_decoded = strategies.builds(
    Decoded,
    strategies.dictionaries(strategies.sampled_from(["train", "test"]), features),
    strategies.lists(strategies.text(), max_size=3).map(tuple),
)


@given(any_decoded)
def test_what_was_written_is_read(tmp_path_factory, decoded):
    folder = tmp_path_factory.mktemp("arrays")
    arrays.write(decoded, "fingerprint", folder)
    read = arrays.read(folder, "fingerprint")
    assert read.class_names == decoded.class_names
    assert list(read.splits) == list(decoded.splits)
    for split, written in decoded.splits.items():
        for feature, array in written.items():
            assert read.splits[split][feature].dtype == array.dtype
            np.testing.assert_array_equal(read.splits[split][feature], array)


@pytest.fixture
def folder(tmp_path):
    images = np.arange(600, dtype=np.uint8).reshape(6, 10, 10, 1)
    decoded = Decoded({"train": {"image": images}}, ("a",))
    arrays.write(decoded, "fingerprint", tmp_path)
    return tmp_path


def test_arrays_of_other_records_are_not_read(folder):
    assert arrays.read(folder, "fingerprint") is not None
    assert arrays.read(folder, "other") is None


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "truncated array": lambda folder: _truncate(folder / "train-image.npy"),
    "empty array": lambda folder: (folder / "train-image.npy").write_bytes(b""),
    "missing array": lambda folder: (folder / "train-image.npy").unlink(),
    "flipped bit": lambda folder: flip_last_byte(folder / "train-image.npy"),
    "other shape": lambda folder: np.save(folder / "train-image.npy", np.zeros(600, np.uint8)),
    "other type": lambda folder: np.save(folder / "train-image.npy", np.zeros((6, 10, 10, 1))),
    "truncated manifest": lambda folder: _truncate(folder / "arrays.json"),
    "manifest of another kind": lambda folder: (folder / "arrays.json").write_text("[1]"),
    "missing manifest": lambda folder: (folder / "arrays.json").unlink(),
}


def _truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_arrays_are_not_read(folder, damage):
    damage(folder)
    assert arrays.read(folder, "fingerprint") is None


def test_any_flipped_bit_is_found(folder):
    expected = arrays.read(folder, "fingerprint")
    for path in folder.iterdir():
        content = path.read_bytes()
        for number in range(8 * len(content)):
            damaged = bytearray(content)
            damaged[number // 8] ^= 1 << number % 8
            path.write_bytes(damaged)
            read = arrays.read(folder, "fingerprint")
            if read is not None:  # a blank in the header of an array became another one
                assert read.class_names == expected.class_names
                image = read.splits["train"]["image"]
                np.testing.assert_array_equal(image, expected.splits["train"]["image"])
        path.write_bytes(content)


def test_a_pickle_is_never_opened(folder):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("the pickle was executed",)

    np.save(folder / "train-image.npy", np.array([Trap()], object), allow_pickle=True)
    assert arrays.read(folder, "fingerprint") is None
