import json

import numpy as np
import pytest
import small_models
from PIL import Image

from jaxdl.pretrained import PUBLISHED

SMALL_TEXTS = ("--sequence-length", 20, "--batch-size", 16, "--head-examples", 40)
SMALL_IMAGES = ("--model", "resnet50", "--image-size", 32, "--batch-size", 16)


@pytest.fixture
def small_published(monkeypatch):
    """Puts small models in the place of the published ones, in a data directory."""

    def put(name, data_dir):
        monkeypatch.setitem(PUBLISHED, name, small_models.place(name, data_dir))

    return put


def only_run(runs_dir):
    (run,) = [path for path in (runs_dir / "finetune").iterdir() if path.is_dir()]
    return run, json.loads((run / "summary.json").read_text())


def test_texts_with_a_frozen_encoder_and_with_a_free_one(
    command, review_dir, small_published, tmp_path
):
    small_published("minilm", review_dir)
    folders = ("--data-dir", review_dir, "--runs-dir", tmp_path)
    status, output, errors = command("finetune", "--preset", "frozen", *SMALL_TEXTS, *folders)
    assert status == 0, errors
    frozen, summary = only_run(tmp_path)
    assert summary["epochs"] == summary["steps"] == 0
    assert {"test_accuracy", "test_loss", "validation_accuracy"} <= summary.keys()
    assert {path.name for path in (frozen / "figures").iterdir()} == {
        "confusion.png",
        "reviews.png",
    }

    status, _, errors = command("finetune", "--resume", frozen, "--epochs", 1)
    assert status == 2
    assert (
        errors
        == f"error: {frozen} fitted the head alone, at once: start a new run, without --resume.\n"
    )

    again = tmp_path / "again"
    status, *_ = command(
        "finetune",
        *SMALL_TEXTS,
        "--learning-rate",
        0.01,
        *folders[:2],
        "--runs-dir",
        again,
        "--epochs",
        6,
        "--frozen-blocks",
        0,
    )
    assert status == 0
    tuned, summary = only_run(again)
    assert summary["epochs"] == 6
    assert summary["test_accuracy"] > 0.9

    for run in (frozen, tuned):
        status, output, _ = command("predict", run, "a wonderful film", "--json")
        assert status == 0
        (prediction,) = json.loads(output)
        assert set(prediction["probabilities"]) == {"negative", "positive"}
    assert prediction["label"] == "positive"


def test_images(command, cifar_dir, small_published, tmp_path):
    small_published("resnet50", cifar_dir)
    folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
    status, _, errors = command("finetune", *SMALL_IMAGES, "--epochs", 2, *folders)
    assert status == 0, errors
    run, summary = only_run(tmp_path)
    assert summary["dataset"] == "cifar10"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(tmp_path / "a.png")
    arguments = (tmp_path / "a.png", "--explain", tmp_path / "why.png")
    status, _output, errors = command("predict", run, *arguments)
    assert status == 0, errors
    assert (tmp_path / "why.png").stat().st_size > 1000


def test_a_vision_transformer_sees_images_of_another_size(
    command, cifar_dir, small_published, tmp_path
):
    small_published("vit-base", cifar_dir)
    options = ("--model", "vit-base", "--image-size", 32, "--preset", "frozen")
    folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
    status, _, errors = command("finetune", *options, *folders)
    assert status == 0, errors
    assert only_run(tmp_path)[1]["epochs"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dataset", "cifar10"), "--dataset is cifar10, but must be one of imdb_reviews"),
        (
            ("--model", "resnet50", "--dataset", "imdb_reviews"),
            "must be one of mnist, fashion_mnist, cifar10",
        ),
        (("--epochs", -1), "--epochs is -1, but must be at least 0"),
        (("--layer-decay", 0), "--layer-decay is 0.0"),
        (("--sequence-length", 1000), "must be 3 to 512"),
        (("--model", "vit-base", "--image-size", 100), "a multiple of 16"),
        (("--model", "alexnet"), "alexnet"),
    ],
)
def test_wrong_usage_is_one_line(command, arguments, words):
    status, _, errors = command("finetune", *arguments)
    assert status == 2
    (line,) = errors.splitlines()
    assert words in line
