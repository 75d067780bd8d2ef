import pytest

from jaxdl.runs import image_figures


@pytest.mark.parametrize("accuracy", ["validation_accuracy", "train_accuracy"])
def test_runs_are_compared_by_loss_and_the_accuracy_that_they_have(tmp_path, monkeypatch, accuracy):
    drawn = []
    monkeypatch.setattr(image_figures, "save_figure", lambda figure, path: drawn.append(figure))
    values = {"train_loss": 0.5, "train_accuracy": 0.75, accuracy: 0.25}
    records = [{"step": 2, "train_loss": 9.0}, {"step": 4, "epoch": 1, **values}]
    image_figures.compared_curves({"one": records, "other": records}, tmp_path / "compared.png")
    losses, accuracies = drawn[0].axes
    assert accuracies.get_ylabel() == accuracy.replace("_", " ")
    assert [tuple(line.get_xydata()[0]) for line in losses.lines] == [(1, 0.5)] * 2
    assert [tuple(line.get_xydata()[0]) for line in accuracies.lines] == [(1, 0.25)] * 2
