"""ResNet and Vision Transformer on a small CIFAR-10 of plain colours."""

import json

import pytest
from PIL import Image

from experiments import resnet

SIZES = ("--epochs", 1, "--batch-size", 30)
FIGURES = {"learning_curves.png", "predictions.png", "confusion.png"}


@pytest.fixture
def train(command, cifar_dir, tmp_path):
    """Trains in a folder of the test's own and gives the directory of the run."""

    def run(experiment, *options):
        folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
        status, output, errors = command(experiment, *SIZES, *options, *folders)
        assert (status, errors) == (0, "")
        return tmp_path / experiment / output.split()[-1].split("/")[-1]

    return run


def figures(run):
    return {path.name for path in (run / "figures").iterdir()}


def test_a_vision_transformer_shows_where_it_looks_and_reads_a_photograph(train, command, tmp_path):
    small = ("--size", 16, "--num-heads", 2, "--num-blocks", 2, "--patch-size", 8)
    mixed = ("--mixup", 0.2, "--cutmix", 1, "--micro-batches", 3, "--test-time-augmentation")
    run = train("vit", *small, "--pooling", "token", "--positions", "learned", *mixed)
    assert figures(run) == FIGURES | {"attention.png"}
    Image.new("RGB", (90, 60), "red").save(tmp_path / "photo.jpg")
    status, output, _ = command("predict", run, tmp_path / "photo.jpg", "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert "airplane" in prediction["probabilities"]


def test_patches_that_do_not_fill_the_images_are_refused(command, cifar_dir, tmp_path):
    folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
    status, _, errors = command("vit", *SIZES, "--patch-size", 7, *folders)
    assert status == 2
    assert "--patch-size" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_two_runs_that_differ_in_their_shortcuts_are_compared(train):
    first = train("resnet")
    assert figures(first) == FIGURES
    summary = json.loads((first / "summary.json").read_text())
    assert summary["parameters"] == 269_722
    second = train("resnet", "--no-residual")
    assert figures(second) == FIGURES | {"residual.png"}
    assert resnet.find_counterpart(resnet.Run.open(first)).directory == second
    other = train("resnet", "--seed", 1)
    assert figures(other) == FIGURES


def test_images_of_grey_are_read_by_the_same_networks(command, data_dir, tmp_path):
    small = ("--size", 16, "--num-heads", 2, "--num-blocks", 1, "--patch-size", 7)
    folders = ("--data-dir", data_dir, "--runs-dir", tmp_path)
    status, output, _ = command("vit", *SIZES, *small, "--dataset", "mnist", *folders)
    assert status == 0
    assert "test accuracy" in output
