import jax
import numpy as np
import optax
import pytest
from small_gan import NOISE_SIZE, SmallDiscriminator, SmallGenerator

from jaxdl.data import Dataset
from jaxdl.runs import Run
from jaxdl.training.config import TrainingConfig
from jaxdl.training.generation import draw_noise, make_sampler, train_generator
from jaxdl.training.state import create_train_state

CONFIG = TrainingConfig(
    epochs=2, batch_size=10, learning_rate=1e-3, dropout_rate=0.0, ema_decay=0.9
)


def new_split(count, seed):
    images = np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 1), np.uint8)
    return {"image": images, "label": np.zeros(count, np.int32)}


def judge_that_sees(num_seen_classes):
    """Pixels are the features; the classes seen come in turn."""

    def judge(images):
        features = images.reshape(len(images), 4).astype(np.float32)
        return {"features": features, "class": np.arange(len(images)) % num_seen_classes}

    return judge


def train(directory, judge, num_validation=20):
    splits = [new_split(count, seed) for seed, count in enumerate((40, num_validation, 30))]
    run = Run.create("gan", directory, 0, {}, ("zero", "one"))
    dataset = Dataset("tiny", *splits, class_names=("zero", "one"))
    models = SmallGenerator(), SmallDiscriminator()
    options = {"noise_size": NOISE_SIZE, "b1": 0.5, "gradient_penalty": 0.1}
    summary = train_generator(run, CONFIG, *models, dataset, judge, **options)[1]
    return run, summary


def test_each_epoch_is_measured_and_leaves_its_samples(tmp_path, capsys):
    run, summary = train(tmp_path, judge_that_sees(2))
    epochs = [record for record in run.read_metrics() if "epoch" in record]
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert all("validation_frechet_distance" in record for record in epochs)
    assert len(list((run.figures / "samples").glob("*.png"))) == 2
    ratio = summary["test_frechet_distance"] / summary["test_frechet_floor"]
    assert summary["test_frechet_ratio"] == pytest.approx(ratio)
    assert "collapsed" not in capsys.readouterr().err


def test_a_collapse_is_said_after_each_epoch(tmp_path, capsys):
    train(tmp_path, judge_that_sees(1))
    errors = capsys.readouterr().err.splitlines()
    assert errors == ["The generator has collapsed: it gives 0.0% of one of the classes."] * 2


def test_without_a_validation_split_the_last_generator_is_scored(tmp_path):
    run, summary = train(tmp_path, judge_that_sees(2), num_validation=0)
    assert not any("validation" in name for record in run.read_metrics() for name in record)
    assert summary["best_epoch"] == 2
    assert np.isfinite(summary["test_frechet_distance"])


def test_samples_are_pixels_and_the_same_for_the_same_noise():
    noise = draw_noise(7, NOISE_SIZE, seed=3)
    spec = jax.ShapeDtypeStruct((1, NOISE_SIZE), np.float32)
    state = create_train_state(SmallGenerator(), optax.sgd(0.1), [spec], 0)
    sample = make_sampler(SmallGenerator())
    images = sample(state.variables, noise)
    assert images.shape == (7, 2, 2, 1)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, sample(state.variables, draw_noise(7, NOISE_SIZE, 3)))
