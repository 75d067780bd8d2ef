import numpy as np
import pytest

from jaxdl import console
from jaxdl.training import prediction
from jaxdl.training.mesh import make_mesh
from jaxdl.training.prediction import make_predict


def apply(scale, batch):
    return scale * batch["x"][:, :2] + batch["x"].sum(-1, keepdims=True)


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("examples", [0, 1, 3, 4, 5, 8, 9])
def test_the_prediction_of_any_number_of_examples_is_the_direct_application(examples, sharded):
    inputs = np.random.default_rng(0).normal(size=(examples, 3)).astype(np.float32)
    predict = make_predict(apply, 4, make_mesh() if sharded else None)
    expected = 2 * inputs[:, :2] + inputs.sum(-1, keepdims=True)
    outputs = predict(np.float32(2), {"x": inputs})
    assert outputs.shape == (examples, 2)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_nothing_to_predict_shows_no_progress(monkeypatch, capsys):
    monkeypatch.setattr(console, "SECONDS_BETWEEN_PLAIN_LINES", 0)
    predict = make_predict(apply, 4)
    assert predict(np.float32(2), {"x": np.zeros((0, 3), np.float32)}, "scoring").shape == (0, 2)
    assert capsys.readouterr().err == ""


def test_a_prediction_may_be_a_tree_and_shows_its_progress_if_described(monkeypatch):
    shown = []

    class Progress:
        def __init__(self, description, total):
            shown.append((description, total))

        def __enter__(self):
            return shown.append

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(prediction, "progress", Progress)
    inputs = np.arange(12, dtype=np.float32).reshape(6, 2)
    predict = make_predict(lambda scale, batch: {"scaled": scale * batch["x"], **batch}, 4)
    outputs = predict(np.float32(2), {"x": inputs})
    assert not shown
    described = predict(np.float32(2), {"x": inputs}, "predicting")
    assert shown == [("predicting", 6), 4, 6]
    for tree in (outputs, described):
        np.testing.assert_array_equal(tree["scaled"], 2 * inputs)
        np.testing.assert_array_equal(tree["x"], inputs)
