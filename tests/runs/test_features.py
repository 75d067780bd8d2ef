import numpy as np
import pytest

from jaxdl.runs.features import cached_features


def test_features_are_computed_once_for_the_same_inputs_and_model(tmp_path):
    calls = []

    def features_of(inputs, *what):
        def compute():
            calls.append(what)
            return inputs["x"] * 2.0

        return cached_features("name", tmp_path, inputs, compute, *what)

    first = {"x": np.arange(6, dtype=np.float32).reshape(3, 2)}
    second = {"x": first["x"] + 1}
    for _ in range(2):
        np.testing.assert_array_equal(features_of(first, "model"), 2 * first["x"])
        np.testing.assert_array_equal(features_of(second, "model"), 2 * second["x"])
        np.testing.assert_array_equal(features_of(first, "other"), 2 * first["x"])
    assert calls == [("model",), ("model",), ("other",)]


def test_damaged_features_are_computed_again(tmp_path):
    inputs = {"x": np.ones((2, 2), np.float32)}
    cached_features("name", tmp_path, inputs, lambda: np.zeros((2, 1), np.float32))
    for path in (tmp_path / "features").rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:-3])
    again = cached_features("name", tmp_path, inputs, lambda: np.ones((2, 1), np.float32))
    np.testing.assert_array_equal(again, np.ones((2, 1)))


def test_features_are_computed_where_they_cannot_be_kept(tmp_path, capsys):
    (tmp_path / "features").write_text("in the way")
    inputs = {"x": np.ones((2, 2), np.float32)}
    for value in np.float32([[[0]], [[1]]]):
        features = cached_features("name", tmp_path, inputs, value.copy)
        np.testing.assert_array_equal(features, value)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("cannot be written (File exists): the next start takes as long.")


def test_an_error_in_the_computation_is_not_taken_for_one_of_the_directory(tmp_path, capsys):
    calls = []

    def compute():
        calls.append("compute")
        raise OSError("of the computation")

    with pytest.raises(OSError, match="of the computation"):
        cached_features("name", tmp_path, {"x": np.ones(2)}, compute)
    assert calls == ["compute"]
    assert capsys.readouterr().err == ""
