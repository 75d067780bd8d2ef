from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, init

from jaxdl.models.speedrun import EPSILON, LOGIT_SCALE, SpeedrunNet, Whitening, dirac, whitening_of
from jaxdl.training.state import count_parameters


@pytest.fixture(scope="module")
def images():
    """Images whose neighbouring pixels and channels are correlated, as in photographs."""
    random = np.random.default_rng(0)
    coarse = random.uniform(size=(200, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return np.asarray(coarse @ [[1, 0.5, 0.2], [0, 0.5, 0.2], [0, 0, 0.6]], np.float32)


def test_whitened_patches_are_uncorrelated_and_of_unit_variance(images):
    outputs = apply(Whitening(), {"batch_stats": whitening_of(images)}, images)
    outputs = np.asarray(outputs, np.float64).reshape(-1, 24)
    components, opposites = outputs[:, :12], outputs[:, 12:]
    np.testing.assert_allclose(opposites, -components, atol=1e-5)
    covariance = components.T @ components / len(components)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=2e-3)
    patches = np.lib.stride_tricks.sliding_window_view(
        images - images.mean((0, 1, 2)), (2, 2), (1, 2)
    )
    patches = patches.reshape(-1, 12).astype(np.float64)
    variances = np.linalg.eigvalsh(patches.T @ patches / len(patches))
    np.testing.assert_allclose(np.diag(covariance), variances / (variances + EPSILON), rtol=1e-2)


def test_an_initial_kernel_passes_its_channels_on():
    kernel = dirac(jax.random.key(0), (3, 3, 4, 10))
    images = np.random.default_rng(0).uniform(size=(2, 5, 5, 4)).astype(np.float32)
    outputs = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(outputs[..., :4], images, rtol=1e-6)
    others = np.asarray(kernel[..., 4:])
    assert np.abs(others).max() <= 1 / 6  # 1 / sqrt(fan_in)
    assert others.std() == pytest.approx(1 / 6 / 3**0.5, rel=0.1)


def test_a_kernel_may_have_fewer_features_than_channels():
    kernel = np.asarray(dirac(jax.random.key(0), (3, 3, 4, 2)))
    np.testing.assert_array_equal(kernel[1, 1], np.eye(4)[:, :2])
    assert np.abs(kernel).sum() == 2


def test_the_number_of_parameters_is_the_published_one_without_the_bias_of_the_whitening():
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    shapes = jax.eval_shape(partial(init, SpeedrunNet(), train=False), images)
    whitening = shapes["batch_stats"]["stem_conv"]["kernel"].size
    assert count_parameters(shapes["params"]) + whitening == 1_971_640 - 24


def test_training_changes_the_statistics_of_normalisation_but_not_the_whitening(images):
    model = SpeedrunNet(features=(8, 8, 8))
    variables = init(model, images[:4], train=False)
    _, updates = apply(model, variables, images[:4], train=True, mutable=["batch_stats"])
    before, after = variables["batch_stats"], updates["batch_stats"]
    jax.tree.map(np.testing.assert_array_equal, before["stem_conv"], after["stem_conv"])
    assert (before["block_0"]["norm_0"]["mean"] != after["block_0"]["norm_0"]["mean"]).any()


def test_logits_are_scaled_down(images):
    model = SpeedrunNet(features=(8, 8, 8))
    variables = init(model, images[:4], train=False)
    logits, sown = apply(model, variables, images[:4], train=False, mutable=["intermediates"])
    features = sown["intermediates"]["maps"][0].max((1, 2))
    expected = features @ variables["params"]["head"]["kernel"] * LOGIT_SCALE
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)
