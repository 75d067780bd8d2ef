import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data.augmentation import normalise
from jaxdl.models.cnn import CNN
from jaxdl.training.feature_extractor import (
    class_shares,
    compare,
    has_collapsed,
    make_feature_extractor,
    sha256_of,
)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_features_and_classes_are_those_of_the_network(dtype):
    images = np.random.default_rng(0).integers(0, 256, (5, 10, 10, 1), np.uint8)
    model = CNN(features=(2, 3), width=4, num_classes=3, dtype=dtype)
    variables = model.init(jax.random.key(0), normalise(images), train=False)
    extracted = make_feature_extractor(model, variables).extract(images)
    assert extracted["features"].shape == (5, 4)
    assert extracted["features"].dtype == np.float32
    assert (extracted["features"] >= 0).all()
    head = variables["params"]["head"]
    logits = model.apply(variables, normalise(images), train=False)
    by_features = extracted["features"] @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(by_features, logits, atol=1e-5 if dtype == jnp.float32 else 0.05)
    np.testing.assert_array_equal(extracted["class"], logits.argmax(-1))


def test_the_checksum_of_a_feature_extractor_depends_on_every_value_and_name():
    weights = {"a": np.zeros(3, np.float32), "b": np.ones(2, np.float32)}
    changed = [weights | {"b": np.float32([1, 2])}, {"a": weights["a"], "c": weights["b"]}]
    sums = {sha256_of(each) for each in (weights, *changed)}
    assert len(sums) == 3
    assert sha256_of({name: array.copy() for name, array in weights.items()}) in sums


def test_a_class_without_samples_has_a_share_of_zero():
    shares = class_shares({"class": np.array([0, 2, 2, 2])}, num_classes=4)
    np.testing.assert_array_equal(shares, [0.25, 0, 0.75, 0])


def with_classes(classes):
    features = np.random.default_rng(0).normal(size=(len(classes), 4)).astype(np.float32)
    return {"features": features, "class": np.asarray(classes)}


def test_a_missing_class_is_a_collapse():
    real = with_classes(np.arange(40) % 4)
    assert not has_collapsed(compare(real, real, 4))
    quality = compare(with_classes(np.arange(40) % 3), real, 4)
    assert quality["smallest_class_share"] == 0
    assert quality["largest_class_share"] == 0.35
    assert has_collapsed(quality)


def test_a_class_that_is_rare_among_real_images_may_be_rare_among_samples():
    real = with_classes([0] * 38 + [1] * 2)
    quality = compare(with_classes([0] * 39 + [1]), real, 3)  # nothing is real of the third class
    assert quality["smallest_class_ratio"] == 0.5
    assert not has_collapsed(quality)
