import json
import shutil

import numpy as np
import pytest
from commands import only_run
from PIL import Image


@pytest.mark.slow
def test_texts(command, review_dir, small_published, tmp_path):
    small_published("minilm", review_dir)
    folders = ("--data-dir", review_dir, "--runs-dir", tmp_path)
    status, output, errors = command("linear_probe", "--sequence-length", 20, *folders)
    assert status == 0, errors
    assert "test accuracy" in output
    assert "best epoch" not in output
    assert "The head was fitted to 270 examples: " in errors  # all of them but a tenth
    run, summary = only_run(tmp_path / "linear_probe")
    assert summary["epochs"] == summary["steps"] == 0
    assert {"test_accuracy", "test_loss", "validation_accuracy"} <= summary.keys()
    assert {path.name for path in (run / "figures").iterdir()} == {"confusion.png", "reviews.png"}

    status, output, _ = command("predict", run, "a wonderful film", "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert set(prediction["probabilities"]) == {"negative", "positive"}

    shutil.rmtree(run / "checkpoints")  # as on a disk that was full
    assert command("linear_probe", "--resume", run)[0] == 0
    assert command("predict", run, "a wonderful film", "--json")[1] == output


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resnet50", "vit-base"])
def test_images_of_another_size(model, command, cifar_dir, small_published, tmp_path):
    small_published(model, cifar_dir)
    options = ("--model", model, "--dataset", "cifar10", "--image-size", 32, "--examples", 100)
    folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
    status, _, errors = command("linear_probe", *options, *folders)
    assert status == 0, errors
    assert "The head was fitted to 100 examples: " in errors
    run, summary = only_run(tmp_path / "linear_probe")
    assert (summary["dataset"], summary["epochs"]) == ("cifar10", 0)
    assert summary["test_accuracy"] > 0.2  # of ten classes, each of its own colour
    names = {path.name for path in (run / "figures").iterdir()}
    assert names == {"confusion.png", "predictions.png"}
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(tmp_path / "a.png")
    status, output, _ = command("predict", run, tmp_path / "a.png", "--json")
    assert status == 0
    assert "airplane" in json.loads(output)[0]["probabilities"]


def test_features_are_computed_once(command, review_dir, small_published, tmp_path, monkeypatch):
    small_published("minilm", review_dir)
    options = ("--sequence-length", 19, "--examples", 50, "--data-dir", review_dir)
    summaries = []
    for name in ("first", "second"):
        runs_dir = tmp_path / name
        assert command("linear_probe", *options, "--runs-dir", runs_dir)[0] == 0
        summaries.append(only_run(runs_dir / "linear_probe")[1])
        monkeypatch.setattr("jaxdl.runs.published.make_predict_logits", lambda *_: None)
    assert summaries[0]["test_loss"] == summaries[1]["test_loss"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seeds", 3), "--seeds is 3, but must be 1"),
        (("--mesh", "data=1"), "--mesh is data=1, but must be left out"),
        (("--examples", -1), "--examples is -1, but must be at least 0"),
        (("--dataset", "mnist"), "--dataset is mnist, but must be one of imdb_reviews"),
        (("--epochs", 3), "--epochs"),
        (("--image-size", 31), "--image-size is 31, but must be 32 to 1024"),
        (("--image-size", 64), "--image-size has no effect with --model minilm"),
    ],
)
def test_wrong_usage_is_one_line(command, arguments, words):
    status, _, errors = command("linear_probe", *arguments)
    assert status == 2
    (line,) = errors.splitlines()
    assert words in line
