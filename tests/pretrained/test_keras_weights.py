"""Compares logits with those of Keras's ResNet-50 V1, for random and for published weights."""

import jax
import numpy as np
import pytest

from jaxdl.data import DEFAULT_DATA_DIR
from jaxdl.models.resnet import RESNETS
from jaxdl.pretrained import PUBLISHED, load_published
from jaxdl.pretrained.conversion import export_tensors
from jaxdl.pretrained.loading import convert, describe_variables
from jaxdl.pretrained.name_maps import KERAS_RESNET

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def keras():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "jax")  # TensorFlow and PyTorch crash in one process
        yield pytest.importorskip("keras")


def read_weights(peer):
    return {
        f"{layer.name}/{weight.name}": np.array(weight)
        for layer in peer.layers
        for weight in layer.weights
    }


def assert_same_logits(model, variables, peer):
    images = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)
    logits = jax.jit(lambda v: model.apply(v, images, train=False))(variables)
    expected = np.asarray(peer(images))
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


def test_logits_of_random_weights_equal_those_of_keras(keras):
    peer = keras.applications.ResNet50(weights=None, classifier_activation=None)
    random = np.random.default_rng(1)
    for layer in peer.layers:
        for weight in layer.weights:
            values = np.asarray(weight)
            if weight.name == "moving_variance":
                weight.assign(random.uniform(0.5, 2, values.shape))
            elif values.ndim == 1:
                weight.assign(values + 0.1 * random.normal(size=values.shape))
    model = RESNETS[50](strides_first=True, epsilon=1.001e-5)
    published = PUBLISHED["resnet50"]
    shapes = describe_variables(model, published)
    variables = convert(model, shapes, published.names, read_weights(peer), "Keras")
    assert_same_logits(model, variables, peer)


@pytest.mark.network
def test_logits_of_the_published_weights_equal_those_of_keras(keras):
    model, variables = load_published("resnet50", DEFAULT_DATA_DIR)
    peer = keras.applications.ResNet50(weights=None, classifier_activation=None)
    tensors = export_tensors(variables, KERAS_RESNET, model.stage_sizes)
    for layer in peer.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-3
        for weight in layer.weights:
            name = f"{layer.name}/{weight.name}"
            weight.assign(tensors.get(name, np.zeros(weight.shape)))  # biases are folded
    assert_same_logits(model, variables, peer)
