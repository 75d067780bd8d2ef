import numpy as np
import pytest

from experiments import gan
from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.runs.generator_experiment import require_images, score
from jaxdl.training.feature_extractor import FeatureExtractor
from jaxdl.training.mesh import make_mesh


def pixels_as_features(images):
    pixels = images.reshape(len(images), -1).astype(np.float32)
    return {"features": pixels, "class": np.int32(pixels[:, 0] > 127)}


EXTRACTOR = FeatureExtractor(pixels_as_features, "abc")


def noise_of(train, validation, test):
    random = np.random.default_rng(0)
    splits = [
        {
            "image": random.integers(0, 256, (examples, 2, 2, 1), np.uint8),
            "label": np.zeros(examples, np.int32),
        }
        for examples in (train, validation, test)
    ]
    return Dataset("noise", *splits, ("dark", "light"))


def test_training_images_score_what_samples_are_compared_with():
    dataset = noise_of(60, 0, 50)
    scores = score(dataset.train["image"][:50], EXTRACTOR, dataset)
    assert scores["test_frechet_ratio"] == pytest.approx(1)
    assert scores["test_precision"] == scores["test_real_precision"]
    assert scores["test_recall"] == scores["test_real_recall"]
    assert scores["feature_extractor_sha256"] == "abc"
    assert "test_class_accuracy" not in scores


def test_samples_of_one_kind_are_far_and_cover_less():
    dataset = noise_of(60, 0, 50)
    dark = dataset.train["image"][:50] // 4
    scores = score(dark, EXTRACTOR, dataset, labels=np.arange(50) % 5 // 4)
    assert scores["test_frechet_ratio"] > 2
    assert scores["test_recall"] < scores["test_real_recall"]
    assert scores["class_shares"] == [1, 0]
    assert scores["test_class_accuracy"] == 0.8


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ((60, 0, 3), "3 test images"),
        ((60, 3, 50), "sets 3 images aside"),
        ((20, 10, 50), "--batch-size"),
    ],
)
def test_too_few_images_are_refused_before_anything_is_trained(sizes, words):
    with pytest.raises(UserError, match=words):
        require_images(gan.Config(), noise_of(*sizes), make_mesh())
