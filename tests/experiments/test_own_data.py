"""A user's own pictures and texts, through the commands."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import only_run

sys.path.append(str(Path(__file__).parent.parent / "data" / "own"))
from small_own import write_picture, write_pictures

PICTURE_OPTIONS = ("--preset", "quick", "--epochs", 4, "--batch-size", 10, "--image-size", 16)
TEXT_OPTIONS = ("--epochs", 8, "--batch-size", 16, "--sequence-length", 12)


@pytest.fixture(scope="module")
def paint(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("own") / "paint", 40)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of three-class texts with quotes, newlines and emoji."""
    random = np.random.default_rng(0)
    words = {"bad": ("awful", "dull"), "fair": ("mixed", "average"), "good": ("great", "fine")}
    rows = []
    for number in range(240):
        label = [*words][number % 3]
        rest = " ".join(random.choice(("the", "a", "film", "it", "was"), 4))
        rows.append(f'"{rest}\n""{random.choice(words[label])}"" 😀 {number}",{label}')
    path = tmp_path_factory.mktemp("own") / "reviews.csv"
    path.write_text("\n".join(["text,label", *rows]))
    return path


@pytest.mark.parametrize("stream", [pytest.param((), marks=pytest.mark.slow), ("--stream",)])
def test_pictures_are_learned_and_predicted(command, paint, tmp_path, stream):
    folders = ("--data-dir", tmp_path / "data", "--runs-dir", tmp_path)
    options = ("--dataset", paint, *PICTURE_OPTIONS, *stream)
    status, output, errors = command("cnn", *options, *folders)
    assert status == 0, errors
    assert "has no test split" in errors
    run, summary = only_run(tmp_path / "cnn")
    assert summary["dataset"] == "paint"
    assert summary["test_accuracy"] > 0.9
    assert {path.name for path in (run / "figures").iterdir()} >= {"predictions.png"}
    write_picture(tmp_path / "new.jpg", "red", 1234, size=(300, 200))
    status, output, errors = command("predict", run, tmp_path / "new.jpg")
    assert status == 0, errors
    assert "  red  " in output
    assert command("cnn", "--resume", run, "--epochs", 5)[0] == 0
    write_picture(paint / "red" / "another.png", "red", 4321)
    status, _, errors = command("cnn", "--resume", run, "--epochs", 6)
    (paint / "red" / "another.png").unlink()
    assert status == 1
    assert "was trained on other data" in errors


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["mlp", "resnet", "vit", "speedrun"])
def test_each_experiment_on_pictures_takes_them(command, paint, tmp_path, experiment):
    small = {"resnet": ("--depth", 8), "vit": ("--num-layers", 1), "speedrun": ("--width", 8)}
    small = small.get(experiment, ())
    folders = ("--data-dir", tmp_path / "data", "--runs-dir", tmp_path)
    options = ("--dataset", paint, "--epochs", 1, "--batch-size", 10, "--image-size", 16)
    status, _, errors = command(experiment, *options, *small, *folders)
    assert status == 0, errors


@pytest.mark.slow
def test_a_generator_imitates_them(command, paint, tmp_path):
    folders = ("--data-dir", tmp_path / "data", "--runs-dir", tmp_path)
    small = ("--epochs", 1, "--batch-size", 8, "--image-size", 16, "--width", 8)
    options = ("--dataset", paint, *small)
    for resize in ((), ("--image-size", 20)):  # the second one needs a classifier of its own
        status, _, errors = command("gan", *options, *resize, *folders)
        assert status == 0, errors
        assert "A figure was not drawn" not in errors
    assert len(list((tmp_path / "feature_extractors" / "paint").glob("cnn/*"))) == 2


@pytest.mark.slow
def test_texts_of_three_classes_are_learned_and_predicted(command, table, tmp_path):
    folders = ("--data-dir", tmp_path / "data", "--runs-dir", tmp_path)
    options = ("--dataset", table, *TEXT_OPTIONS, "--learning-rate", 0.01)
    status, _, errors = command("rnn", *options, *folders)
    assert status == 0, errors
    assert "A figure was not drawn" not in errors
    run, summary = only_run(tmp_path / "rnn")
    assert summary["test_accuracy"] > 0.9
    status, output, _ = command("predict", run, "the film was\naverage 😀", "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert prediction["label"] == "fair"
    assert len(prediction["probabilities"]) == 3


@pytest.mark.slow
def test_a_published_network_is_fine_tuned_on_them(command, paint, small_published, tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    small_published("resnet50", data_dir)
    options = ("--model", "resnet50", "--dataset", paint, "--image-size", 32, "--epochs", 1)
    folders = ("--data-dir", data_dir, "--runs-dir", tmp_path)
    status, _, errors = command("finetune", *options, "--batch-size", 10, *folders)
    assert status == 0, errors


def test_a_data_set_is_looked_at(command, paint, table, tmp_path):
    for dataset, words in ((paint, "classes  3, with"), (table, "fair")):
        figure = tmp_path / f"{dataset.name}.png"
        options = ("--dataset", dataset, "--data-dir", tmp_path / "data", "--output", figure)
        status, output, errors = command("datasets", *options)
        assert status == 0, errors
        assert words in output
        assert figure.stat().st_size > 5000
    status, output, _ = command("datasets", "--data-dir", tmp_path / "data")
    assert status == 0
    assert "cifar100" in output
    assert "examples, 3 classes" in output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--image-size", 32), "--image-size has no effect without --dataset"),
        (("--dataset", "mnist", "--image-size", 32), "--image-size has no effect with --dataset m"),
        (("--dataset", "photos", "--output", "a.txt"), "--output is a.txt, but must be a .png"),
    ],
)
def test_options_of_the_look_at_a_data_set_that_do_not_fit_are_refused(command, options, words):
    status, _, errors = command("datasets", *options)
    assert (status, errors.count("\n")) == (2, 1)
    assert words in errors


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--dataset", "mnits"), 2, "There is no data set mnits: give one of mnist"),
        (("--dataset", "imdb_reviews"), 2, "must be one of mnist, fashion_mnist, cifar10"),
        (("--dataset", "."), 1, "has no"),
        (("--image-size", 64), 2, "--image-size has no effect with --dataset mnist"),
        (("--dataset", "tfds:../x"), 2, "must look like tfds:NAME"),
    ],
)
def test_wrong_usage_is_one_line(command, tmp_path, monkeypatch, arguments, status, words):
    monkeypatch.chdir(tmp_path)
    found, _, errors = command("cnn", *arguments, "--data-dir", tmp_path, "--runs-dir", tmp_path)
    assert (found, errors.count("\n")) == (status, 1)
    assert words in errors
