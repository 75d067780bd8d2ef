"""ResNet and Vision Transformer on a small CIFAR-10 of plain colours."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import resnet
from jaxdl.data import load
from jaxdl.data.augmentation import normalise
from jaxdl.models.speedrun import whitening_of
from jaxdl.runs.inputs import IMAGE_INPUTS
from jaxdl.runs.options import to_options, with_changes
from jaxdl.training.checkpoints import load_model

SIZES = ("--epochs", 1, "--batch-size", 30)
FIGURES = {"learning_curves.png", "predictions.png", "confusion.png"}


@pytest.fixture
def train(command, cifar_dir, tmp_path, without_progress):
    """Trains in the temporary directory of the test, and returns the directory of the run."""

    def run(experiment, *options):
        folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
        status, output, errors = command(experiment, *SIZES, *options, *folders)
        assert (status, without_progress(errors)) == (0, [])
        return tmp_path / experiment / output.split()[-1].split("/")[-1]

    return run


def figures(run):
    return {path.name for path in (run / "figures").iterdir()}


@pytest.mark.slow
def test_a_vision_transformer_shows_where_it_looks_and_reads_a_photograph(train, command, tmp_path):
    small = ("--embed-dim", 16, "--num-heads", 2, "--num-layers", 1, "--patch-size", 8)
    mixed = ("--mixup", 0.2, "--cutmix", 1, "--micro-batches", 3, "--test-time-views", 2)
    run = train("vit", *small, "--pooling", "token", "--positions", "learned", *mixed)
    assert figures(run) == FIGURES | {"attention.png"}
    Image.new("RGB", (90, 60), "red").save(tmp_path / "photo.jpg")
    status, output, _ = command("predict", run, tmp_path / "photo.jpg", "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert "airplane" in prediction["probabilities"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--patch-size", 7), "--patch-size"),
        (("--num-layers", 1, "--drop-path-rate", 0.2), "--drop-path-rate has no effect"),
    ],
)
def test_options_of_the_vision_transformer_that_do_not_fit_are_refused(
    options, named, command, cifar_dir, tmp_path
):
    folders = ("--data-dir", cifar_dir, "--runs-dir", tmp_path)
    status, _, errors = command("vit", *SIZES, *options, *folders)
    assert status == 2
    assert named in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_the_speed_run_whitens_images_by_those_of_training(train, cifar_dir):
    run = train("speedrun", "--width", 8, "--test-time-views", 2)
    assert figures(run) == FIGURES | {"filters.png"}
    images = load("cifar10", cifar_dir, 0.0).train["image"]
    expected = whitening_of(normalise(jnp.asarray(images)))
    whitening = load_model(run / "checkpoints")["batch_stats"]["stem_conv"]
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), whitening, expected)


@pytest.mark.slow
def test_the_speed_run_is_resumed_bitwise(train, command, cifar_dir):
    small = ("--width", 8, "--schedule", "constant")
    straight, run = train("speedrun", *small, "--epochs", 2), train("speedrun", *small)
    status, _, _ = command("speedrun", "--resume", run, "--epochs", 2, "--data-dir", cifar_dir)
    assert status == 0
    whole, resumed = (load_model(directory / "checkpoints") for directory in (straight, run))
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)


def test_the_residual_network_is_by_default_that_of_20_layers():
    model = resnet.build_model(resnet.Config(), 10)
    assert IMAGE_INPUTS.count_parameters(resnet.Config(), model) == 269_722


@pytest.mark.slow
def test_two_runs_that_differ_in_their_shortcuts_are_compared(train):
    small = ("--depth", 8)
    first = train("resnet", *small)
    assert figures(first) == FIGURES
    second = train("resnet", *small, "--no-residual")
    assert figures(second) == FIGURES | {"residual.png"}
    assert resnet.find_counterpart(resnet.Run.open(first)).directory == second
    other = train("resnet", *small, "--seed", 1)
    assert figures(other) == FIGURES


def test_a_counterpart_differs_in_its_shortcuts_only_and_is_of_this_version(tmp_path):
    def make(**changes):
        options = to_options(with_changes(resnet.Config(), changes))
        run = resnet.Run.create("resnet", tmp_path, 0, options, (), {})
        run.write_summary({})
        return run

    run = make(runs_dir=tmp_path, mesh="data=1")
    assert resnet.find_counterpart(run) is None
    make(residual=False, seed=1)
    make(residual=False, depth=8)
    assert resnet.find_counterpart(run) is None
    other = make(residual=False, runs_dir=tmp_path / "elsewhere", group="x", seeds=3)
    assert resnet.find_counterpart(run).directory == other.directory
    assert resnet.find_counterpart(other).directory == run.directory
    config = json.loads((other.directory / "config.json").read_text())
    for content in (json.dumps(config | {"format": 1}), json.dumps(config | {"options": []}), "{"):
        (other.directory / "config.json").write_text(content)
        assert resnet.find_counterpart(run) is None


@pytest.mark.slow
def test_grey_images_are_read_by_the_same_networks(command, data_dir, tmp_path):
    small = ("--embed-dim", 16, "--num-heads", 2, "--num-layers", 1, "--patch-size", 4)
    folders = ("--data-dir", data_dir, "--runs-dir", tmp_path)
    status, output, _ = command("vit", *SIZES, *small, "--dataset", "mnist", *folders)
    assert status == 0
    assert "test accuracy" in output
