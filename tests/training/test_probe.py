import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdl.training.probe import fit_linear_probe

PENALTY = 20.0


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300).astype(np.int32)
    features = random.normal(size=(300, 5)).astype(np.float32) * [1, 10, 0.1, 1, 1] + 4
    features[:, 0] += labels
    return features.astype(np.float32), labels


def test_the_fit_minimises_the_penalised_loss(data):
    features, labels = data
    head = fit_linear_probe(features, labels, 3, PENALTY)
    std = features.std(0)

    def loss(head):
        logits = features @ head["kernel"] + head["bias"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.sum() + PENALTY / 2 * jnp.sum((head["kernel"] * std[:, None]) ** 2)

    grads = jax.grad(loss)(jax.tree.map(jnp.asarray, head))
    for name, scale in (("kernel", std[:, None]), ("bias", 1.0)):
        assert np.abs(grads[name] / np.maximum(scale, 1)).max() < 0.1  # of 300 examples


def test_the_logits_do_not_depend_on_the_scale_of_the_features(data):
    features, labels = data
    head = fit_linear_probe(features, labels, 3)
    other = fit_linear_probe(100 * features - 7, labels, 3)
    logits = features @ head["kernel"] + head["bias"]
    np.testing.assert_allclose(
        (100 * features - 7) @ other["kernel"] + other["bias"], logits, atol=2e-2
    )
    assert np.mean(logits.argmax(1) == labels) > 0.5
