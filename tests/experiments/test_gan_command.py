"""The GAN on stripes, with a CNN that knows them as the feature extractor."""

import dataclasses
import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import gan
from jaxdl.data import Dataset
from jaxdl.files import with_checksum, write_json
from jaxdl.models.gan import Discriminator, Generator
from jaxdl.models.residual_gan import ResidualDiscriminator, ResidualGenerator
from jaxdl.runs import Run
from jaxdl.runs.inputs import Examples
from jaxdl.runs.lifecycle import checksums_of
from jaxdl.runs.options import with_changes
from jaxdl.training.generator import draw_noise

SIZES = ("--epochs", 2, "--batch-size", 40, "--width", 8)


@pytest.fixture(scope="session")
def gan_options(data_dir, trained_run):
    return (*SIZES, "--data-dir", data_dir, "--feature-extractor", trained_run)


@pytest.fixture(scope="session")
def gan_runs(tmp_path_factory):
    return tmp_path_factory.mktemp("gan")


@pytest.fixture
def gan_run(command, gan_options, gan_runs):
    """Returns a finished run, which the first test that asks for it trains."""
    if not any(gan_runs.iterdir()):
        status, output, _ = command("gan", *gan_options, "--runs-dir", gan_runs)
        assert status == 0, output
    (run,) = (gan_runs / "gan").iterdir()
    return run


def test_a_run_leaves_scores_and_figures(gan_run):
    summary = json.loads((gan_run / "summary.json").read_text())
    classes = len(summary["class_shares"])
    blocks = 2 * (9 * 8 * 8 + 8) + 2 * (9 * 16 * 16 + 16)
    norms = 2 * (2 * 16 + 2 * 8 + 8)
    generator = classes * 100 + 201 * 7 * 7 * 16 + blocks + norms + 16 * 16 * 8 + 16 * 8
    discriminator = 16 * 8 + 8 + 16 * 8 * 16 + 16 + blocks + classes * (7 * 7 * 16 + 1)
    assert summary["parameters"] == generator + discriminator
    assert summary["test_frechet_distance"] > summary["test_frechet_floor"] > 0
    assert sum(summary["class_shares"]) == pytest.approx(1)
    assert summary["test_smallest_class_share"] == min(summary["class_shares"])
    names = {path.name for path in (gan_run / "figures").iterdir()}
    assert names == {
        *("samples", "samples.png", "training.gif", "interpolation.png", "neighbours.png"),
        *("classes.png", "learning_curves.png"),
    }
    with Image.open(gan_run / "figures" / "training.gif") as film:
        assert film.n_frames == 2
    records = [json.loads(line) for line in (gan_run / "metrics.jsonl").read_text().splitlines()]
    assert "validation_frechet_distance" in records[-1]
    assert "train_generator_loss" in records[0]
    with Image.open(gan_run / "figures" / "samples.png") as grid:
        assert grid.width == 2 * (classes * 30 + 2)


@pytest.mark.parametrize(
    ("options", "networks"),
    [
        (
            {"width": 8, "dataset": "cifar10", "precision": "bfloat16"},
            (
                ResidualGenerator((32, 32, 3), 8, 10, jnp.bfloat16),
                ResidualDiscriminator(8, 10, jnp.bfloat16),
            ),
        ),
        (
            {"architecture": "dcgan", "dataset": "cifar10", "precision": "bfloat16"},
            (Generator((32, 32, 3), 10, jnp.bfloat16), Discriminator(0.0, 10, jnp.bfloat16)),
        ),
        (gan.PRESETS["tutorial"], (Generator(), Discriminator(dropout_rate=0.3))),
    ],
    ids=["residual", "dcgan", "tutorial"],
)
def test_the_networks_are_those_that_the_options_name(options, networks):
    config = with_changes(gan.Config(), options)
    assert gan.EXPERIMENT.build_networks(config, num_classes=10) == networks


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--dropout-rate", 0.1), "--dropout-rate has no effect with --architecture residual"),
        (("--architecture", "dcgan", "--width", 9), "--width has no effect with --architecture d"),
        (("--optimizer", "sgd", "--b1", 0.3), "--b1 has no effect with --optimizer sgd"),
    ],
)
def test_an_option_without_effect_is_refused(command, options, word):
    status, _, errors = command("gan", *options)
    assert (status, len(errors.splitlines())) == (2, 1)
    assert word in errors


def test_predict_draws_samples_and_the_same_ones_for_the_same_seed(command, gan_run, tmp_path):
    pictures = []
    for name, seed in (("a.png", 0), ("b.png", 0), ("c.png", 1)):
        options = ("--samples", 5, "--seed", seed, "--output", tmp_path / name)
        status, output, _ = command("predict", gan_run, *options)
        assert status == 0
        assert name in output
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


def test_samples_are_drawn_in_float32_where_the_device_has_not_the_precision(
    command, gan_run, monkeypatch, tmp_path
):
    monkeypatch.setattr("jaxdl.runs.experiment.supports", lambda device, precision: False)
    status, _, errors = command("predict", gan_run, "--output", tmp_path / "grid.png")
    assert status == 0
    assert f"{gan_run} computes in float32 here" in errors


def test_a_run_is_asked_for_a_class(command, gan_run, tmp_path):
    pictures = []
    for name in ("1", "2", ""):
        asked = (
            "--samples",
            4,
            "--output",
            tmp_path / "grid.png",
            *(("--class", name) * bool(name)),
        )
        assert command("predict", gan_run, *asked)[0] == 0
        pictures.append((tmp_path / "grid.png").read_bytes())
    assert len(set(pictures)) == 3
    status, _, errors = command("predict", gan_run, "--class", "eleven")
    assert (status, len(errors.splitlines())) == (2, 1)
    assert "--class eleven is none of 0, 1," in errors


@pytest.mark.slow
def test_a_run_without_classes_draws_samples_but_not_of_a_class(command, gan_options, tmp_path):
    options = (*gan_options, "--epochs", 1, "--no-conditional", "--runs-dir", tmp_path)
    status, output, _ = command("gan", *options)
    assert status == 0, output
    (run,) = (tmp_path / "gan").iterdir()
    status, _, errors = command("predict", run, "--class", "1")
    assert (status, len(errors.splitlines())) == (2, 1)
    assert "was trained without classes" in errors
    assert command("predict", run, "--output", tmp_path / "grid.png")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("digit.png",),
        ("--json",),
        ("--samples", 0),
        ("--output", "samples.txt"),
        ("--output", "nowhere/samples.png"),
    ],
)
def test_predict_refuses_what_makes_no_picture(command, gan_run, arguments):
    status, _, errors = command("predict", gan_run, *arguments)
    assert status == 2
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_a_finished_run_is_resumed_with_the_feature_extractor_that_it_had(
    command, gan_run, trained_run, without_progress
):
    before = json.loads((gan_run / "summary.json").read_text())
    assert before["options"]["feature_extractor"] == str(trained_run)
    shutil.rmtree(gan_run / "figures" / "samples")
    status, _, errors = command("gan", "--resume", gan_run)
    assert (status, without_progress(errors)[1:]) == (0, ["Resuming from step 18 of 18."])
    after = json.loads((gan_run / "summary.json").read_text())
    assert after["test_frechet_distance"] == before["test_frechet_distance"]


def test_a_feature_extractor_must_be_trained_on_the_data_and_give_features(
    command, gan_options, gan_run, trained_run, tmp_path
):
    lenet, others = tmp_path / "lenet", tmp_path / "others"
    for folder, part, changed in (
        (lenet, "options", {"architecture": "lenet5"}),
        (others, "data", {"test": {"image": "others"}}),
    ):
        folder.mkdir()
        config = json.loads((trained_run / "config.json").read_text())
        config[part] |= changed
        write_json(folder / "config.json", with_checksum(config))
    extractors = {
        gan_run: "must be a run of experiments.cnn",
        lenet: "architecture cnn",
        others: "on the same mnist",
        tmp_path / "gone": "is not the directory of a run",
    }
    for extractor, words in extractors.items():
        options = ("--feature-extractor", extractor, "--runs-dir", tmp_path / "runs")
        status, _, errors = command("gan", *gan_options, *options)
        assert status == 2
        assert words in errors


def test_a_feature_extractor_without_a_model_leaves_no_run(
    command, gan_options, trained_run, tmp_path
):
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(trained_run / "config.json", empty)
    options = ("--feature-extractor", empty, "--runs-dir", tmp_path / "runs")
    status, _, errors = command("gan", *gan_options, *options)
    assert status == 1
    assert "no checkpoint" in errors
    assert not (tmp_path / "runs").exists()


def test_a_feature_extractor_that_is_gone_has_to_be_restored(command, gan_run, tmp_path):
    resumed = tmp_path / "resumed"
    shutil.copytree(gan_run, resumed)
    config = json.loads((resumed / "config.json").read_text())
    config["options"]["feature_extractor"] = str(tmp_path / "gone")
    write_json(resumed / "config.json", with_checksum(config))
    status, _, errors = command("gan", "--resume", resumed)
    assert status == 2
    *_, line = errors.splitlines()
    assert f"--feature-extractor {tmp_path / 'gone'} is gone: restore it" in line


def test_a_validation_split_too_small_to_measure_is_refused(command, gan_options, tmp_path):
    options = ("--validation-fraction", 0.005, "--runs-dir", tmp_path)
    status, _, errors = command("gan", *gan_options, *options)
    assert status == 2
    assert "--validation-fraction" in errors


def test_a_feature_extractor_is_trained_once(monkeypatch, tmp_path):
    trained = []
    split = {"image": np.zeros((2, 28, 28, 1), np.uint8), "label": np.arange(2, dtype=np.int32)}
    dataset = Dataset("clothes", split, split, split, ("zero", "one"))
    examples = Examples(dataset, dataset)

    def train(experiment, config):
        assert experiment.name == "cnn"
        trained.append(config)
        run = Run.create("cnn", config.run.runs_dir, 0, {}, ("zero", "one"), checksums_of(examples))
        run.write_summary({})
        return run, {}

    monkeypatch.setattr(type(gan.cnn.EXPERIMENT), "train", train)
    config = with_changes(gan.Config(), {"runs_dir": tmp_path, "dataset": "fashion_mnist"})
    first, second = (gan.find_or_train_classifier(config, examples).directory for _ in range(2))
    assert first == second
    assert first.parent == tmp_path / "feature_extractors" / "clothes" / "cnn"
    (quick,) = trained
    assert quick.data.dataset == "fashion_mnist"
    assert quick.optimization.epochs == gan.cnn.PRESETS["quick"]["epochs"]

    path = first / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    other = gan.find_or_train_classifier(config, examples).directory
    assert other == gan.find_or_train_classifier(config, examples).directory != first
    assert len(trained) == 2  # the one of another version of jaxdl was passed over
    others = dataclasses.replace(examples.dataset, test={"image": 1 - split["image"]})
    gan.find_or_train_classifier(config, Examples(others, others))
    assert len(trained) == 3


def test_an_interpolation_has_its_points_at_both_ends_and_keeps_their_length():
    noise = draw_noise(4, 1000, seed=0)
    between = gan.interpolate(noise).reshape(2, gan.INTERPOLATION_STEPS, 1000)
    np.testing.assert_allclose(between[:, 0], noise[::2], atol=1e-6)
    np.testing.assert_allclose(between[:, -1], noise[1::2], atol=1e-6)
    lengths = np.linalg.norm(between, axis=-1)
    assert np.ptp(lengths) < 0.1 * lengths.mean()
