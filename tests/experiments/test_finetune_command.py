import json

import numpy as np
import pytest
from commands import only_run
from PIL import Image

SMALL_TEXTS = ("--sequence-length", 20, "--batch-size", 16, "--head-examples", 40)
SMALL_IMAGES = ("--model", "resnet50", "--dataset", "cifar10", "--image-size", 32)


@pytest.mark.slow
def test_all_layers_are_tuned_on_texts(command, review_dir, small_published, tmp_path):
    small_published("minilm", review_dir)
    options = (*SMALL_TEXTS, "--learning-rate", 0.01, "--epochs", 6, "--frozen-blocks", 0)
    folders = ("--data-dir", review_dir, "--runs-dir", tmp_path)
    status, output, errors = command("finetune", *options, *folders)
    assert status == 0, errors
    assert "test accuracy" in output
    assert "The head was fitted to 40 examples: " in errors
    run, summary = only_run(tmp_path / "finetune")
    assert summary["epochs"] == 6
    assert summary["test_accuracy"] > 0.9
    assert {path.name for path in (run / "figures").iterdir()} == {
        *("confusion.png", "reviews.png", "learning_curves.png")
    }

    status, output, _ = command("predict", run, "a wonderful film", "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert set(prediction["probabilities"]) == {"negative", "positive"}
    assert prediction["label"] == "positive"

    assert command("finetune", "--resume", run, "--epochs", 7)[0] == 0
    assert only_run(tmp_path / "finetune")[1]["epochs"] == 7


@pytest.mark.slow
def test_images(command, cifar_dir, small_published, tmp_path):
    small_published("resnet50", cifar_dir)
    folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
    options = (*SMALL_IMAGES, "--batch-size", 16, "--epochs", 2)
    status, _, errors = command("finetune", *options, *folders)
    assert status == 0, errors
    run, summary = only_run(tmp_path / "finetune")
    assert summary["dataset"] == "cifar10"
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(tmp_path / "a.png")
    arguments = (tmp_path / "a.png", "--explain", tmp_path / "why.png")
    status, _output, errors = command("predict", run, *arguments)
    assert status == 0, errors
    assert (tmp_path / "why.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dataset", "cifar10"), "--dataset is cifar10, but must be one of imdb_reviews"),
        (
            ("--model", "resnet50", "--dataset", "imdb_reviews"),
            "must be one of mnist, fashion_mnist, cifar10",
        ),
        (("--model", "vit-base"), "--dataset is imdb_reviews, but must be one of mnist"),
        (("--epochs", -1), "--epochs is -1, but must be at least 1"),
        (("--epochs", 0), "--epochs is 0, but must be at least 1"),
        (("--head-examples", -1), "--head-examples is -1, but must be at least 0"),
        (("--frozen-blocks", -1), "--frozen-blocks is -1, but must be at least 0"),
        (("--layer-decay", 0), "--layer-decay is 0.0"),
        (("--sequence-length", 1000), "must be 3 to 512"),
        ((*SMALL_IMAGES[2:], "--model", "vit-base", "--image-size", 100), "a multiple of 16"),
        (("--model", "alexnet"), "alexnet"),
        (("--preset", "frozen"), "--preset is frozen"),
        (("--no-flip",), "--flip has no effect with --model minilm"),
        (("--stream",), "--stream has no effect with --model minilm"),
        ((*SMALL_IMAGES, "--dropout-rate", 0.1), "--dropout-rate has no effect with --model r"),
    ],
)
def test_wrong_usage_is_one_line(command, arguments, words):
    status, _, errors = command("finetune", *arguments)
    assert status == 2
    (line,) = errors.splitlines()
    assert words in line
