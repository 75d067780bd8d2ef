import os

import jax
import numpy as np
import pytest

from jaxdl.models.cnn import CNN
from jaxdl.models.mlp import MLP

pytestmark = pytest.mark.peers

# Loading TensorFlow and the compiler of PyTorch crashes the process.
os.environ["KERAS_BACKEND"] = "jax"


@pytest.mark.parametrize(("name", "model"), [("mlp", MLP()), ("cnn", CNN())])
def test_logits_equal_those_of_the_tutorials_keras_model_with_the_same_weights(name, model):
    pytest.importorskip("keras")
    from experiments.benchmark import keras_models

    images = np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    params = model.init(jax.random.key(0), images, train=False)["params"]
    keras_model = keras_models.CLASSIFIERS[name]()
    assert keras_model.count_params() == sum(leaf.size for leaf in jax.tree.leaves(params))
    with_weights = [layer for layer in keras_model.layers if layer.weights]
    for keras_layer, layer in zip(with_weights, sorted(params), strict=True):
        kernel, bias = params[layer]["kernel"], params[layer]["bias"] + 0.1
        params[layer]["bias"] = bias
        keras_layer.set_weights([np.asarray(kernel), np.asarray(bias)])
    expected = np.asarray(keras_model(images, training=False))
    logits = model.apply({"params": params}, images, train=False)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
