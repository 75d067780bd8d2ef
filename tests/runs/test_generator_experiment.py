import numpy as np
import pytest

from jaxdl.data import Dataset
from jaxdl.runs.generator_experiment import score
from jaxdl.training.feature_extractor import FeatureExtractor


def pixels_as_features(images):
    pixels = images.reshape(len(images), -1).astype(np.float32)
    return {"features": pixels, "class": np.int32(pixels[:, 0] > 127)}


def random_split(random, examples):
    images = random.integers(0, 256, (examples, 2, 2, 1), np.uint8)
    return {"image": images, "label": np.zeros(examples, np.int32)}


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    train, validation, test = (random_split(random, examples) for examples in (60, 0, 50))
    return Dataset("noise", train, validation, test, ("dark", "light"))


def test_training_images_score_the_floor_and_the_ceilings(dataset):
    scores = score(
        dataset.train["image"][:50], FeatureExtractor(pixels_as_features, "abc"), dataset
    )
    assert scores["test_frechet_ratio"] == pytest.approx(1)
    assert scores["test_precision"] == scores["test_precision_ceiling"]
    assert scores["test_recall"] == scores["test_recall_ceiling"]
    assert scores["feature_extractor_sha256"] == "abc"


def test_worse_samples_are_farther_than_the_floor_and_below_the_ceilings(dataset):
    dark = dataset.train["image"][:50] // 4
    scores = score(dark, FeatureExtractor(pixels_as_features, "abc"), dataset)
    assert scores["test_frechet_ratio"] > 2
    assert scores["test_recall"] < scores["test_recall_ceiling"]
    assert scores["class_shares"] == [1, 0]
