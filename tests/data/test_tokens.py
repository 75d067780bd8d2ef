import numpy as np
import pytest

from jaxdl.data import Dataset
from jaxdl.data.tokens import tokenise


def split_of(*texts):
    return {"text": np.array(texts, object), "label": np.arange(len(texts), dtype=np.int32)}


DATASET = Dataset(
    "reviews",
    train=split_of("a good film", "a bad film"),
    validation=split_of("good"),
    test=split_of("bad", "unseen"),
    class_names=("neg", "pos"),
)


def assert_same(one, other):
    assert one[1].to_str() == other[1].to_str()
    for split in ("train", "validation", "test"):
        expected = getattr(other[0], split)
        assert getattr(one[0], split).keys() == expected.keys()
        for name, array in getattr(one[0], split).items():
            np.testing.assert_array_equal(array, expected[name])


@pytest.fixture
def fresh(tmp_path):
    return tokenise(DATASET, tmp_path / "fresh", 10, 4, "start")


def test_the_second_start_reads_the_same_from_the_cache(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxdl.data.tokens.encode", None)
    assert_same(tokenise(DATASET, tmp_path / "fresh", 10, 4, "start"), fresh)


@pytest.mark.parametrize("pattern", ["*.npy", "*tokenizer*", "*.json"])
def test_a_damaged_cache_is_made_again(fresh, tmp_path, capsys, pattern):
    paths = list((tmp_path / "fresh" / "tokens").rglob(pattern))
    assert paths
    for path in paths:
        path.write_bytes(path.read_bytes()[:-2] + b"xx")
    for _ in range(2):
        assert_same(tokenise(DATASET, tmp_path / "fresh", 10, 4, "start"), fresh)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("was damaged or out of date and has been made again.")


def test_texts_are_tokenised_where_the_result_cannot_be_kept(fresh, tmp_path, capsys):
    (tmp_path / "tokens").write_text("in the way")
    assert_same(tokenise(DATASET, tmp_path, 10, 4, "start"), fresh)
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (File exists)" in line
