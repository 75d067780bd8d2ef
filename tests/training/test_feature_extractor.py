import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data.augmentation import normalise
from jaxdl.models.cnn import CNN
from jaxdl.training.judge import class_shares, make_judge


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_judge_gives_the_features_and_the_classes_of_its_network(dtype):
    images = np.random.default_rng(0).integers(0, 256, (5, 10, 10, 1), np.uint8)
    model = CNN(features=(2, 3), hidden_size=4, num_classes=3, dtype=dtype)
    variables = model.init(jax.random.key(0), normalise(images), train=False)
    judged = make_judge(model, variables)(images)
    assert judged["features"].shape == (5, 4)
    assert judged["features"].dtype == np.float32
    assert (judged["features"] >= 0).all()
    last = variables["params"]["Dense_1"]
    logits = model.apply(variables, normalise(images), train=False)
    by_features = judged["features"] @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(by_features, logits, atol=1e-5 if dtype == jnp.float32 else 0.05)
    np.testing.assert_array_equal(judged["class"], logits.argmax(-1))


def test_shares_of_classes_that_never_come_are_zero():
    shares = class_shares({"class": np.array([0, 2, 2, 2])}, num_classes=4)
    np.testing.assert_array_equal(shares, [0.25, 0, 0.75, 0])
