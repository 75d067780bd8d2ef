import numpy as np
import pytest
from hypothesis import example, given, strategies

from jaxdl.data import arrays
from jaxdl.data.arrays import Decoded


def object_array(texts):
    array = np.empty(len(texts), object)
    array[:] = texts
    return array


def decoded_of(texts):
    features = {"text": object_array(texts), "label": np.arange(len(texts), dtype=np.int32)}
    return Decoded({"train": features}, ("a",))


@given(strategies.lists(strategies.text(), max_size=8))
@example([])
@example([""])
@example(["", "\n", "", "\x00", "a\x00"])
@example(["😀", "日本語", "\x85\xa0\u2028", "x" * 100_000])
def test_texts_that_were_written_are_read(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("arrays")
    arrays.write(decoded_of(texts), "fingerprint", folder)
    train = arrays.read(folder, "fingerprint").splits["train"]
    assert list(train) == ["text", "label"]
    assert train["text"].tolist() == texts
    assert (train["text"].shape, train["text"].dtype) == ((len(texts),), object)


@pytest.mark.parametrize("file", ["train-text-bytes.npy", "train-text-ends.npy"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_damaged_texts_are_not_read(tmp_path, file, damage):
    arrays.write(decoded_of(["one", "two"]), "fingerprint", tmp_path)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).unlink()
    if damage == "truncated":
        (tmp_path / file).write_bytes(content[:-1])
    if damage == "altered":
        (tmp_path / file).write_bytes(content[:-1] + b"\xff")
    assert arrays.read(tmp_path, "fingerprint") is None


def test_texts_are_saved_without_pickle(tmp_path):
    arrays.write(decoded_of(["one", "two"]), "fingerprint", tmp_path)
    for path in tmp_path.glob("*.npy"):
        assert np.load(path, allow_pickle=False).dtype.kind in "iu"
