"""The tutorial's GAN in Keras, in a process of its own, on a few random images."""

import importlib.util
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.peers

TRAIN = """
import importlib.util
import json
import numpy as np
from experiments.benchmark import keras_gan
from jaxdl.data import Dataset
from jaxdl.runs.seeds import average
from jaxdl.training.feature_extractor import FeatureExtractor

random = np.random.default_rng(0)
train, validation, test = (
    {"image": random.integers(0, 256, (count, 28, 28, 1), np.uint8), "label": np.arange(count) % 2}
    for count in (96, 32, 40)
)
dataset = Dataset("noise", train, validation, test, ("even", "odd"))

def extract(images):
    assert images.dtype == np.uint8 and images.shape[1:] == (28, 28, 1)
    flat = images.reshape(len(images), -1) / 255
    return {"features": flat[:, ::100], "class": (flat.mean(1) > 0.5).astype(int)}

keras_gan.EPOCHS = 2
extractor = FeatureExtractor(extract, "abc")
summary, samples = keras_gan.train_and_score(3, dataset, extractor)
summary["samples"] = len(samples)
print(json.dumps(average([summary])))
"""


@pytest.mark.skipif(not importlib.util.find_spec("tensorflow"), reason="needs TensorFlow")
def test_a_training_is_scored_on_as_many_samples_as_test_images():
    printed = subprocess.check_output([sys.executable, "-c", TRAIN], text=True)
    result = json.loads(printed.splitlines()[-1])
    assert result["seeds"] == [3]
    assert result["samples"] == 40
    assert result["parameters"] == 2_305_472 + 212_865
    assert result["test_frechet_ratio"]["mean"] > 0
    assert result["feature_extractor_sha256"] == "abc"
    assert result["options"] == {"epochs": 2, "batch_size": 64, "learning_rate": 2e-4}
    assert "keras_version" in result
