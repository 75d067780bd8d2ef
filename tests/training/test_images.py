import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxdl.data.augmentation import normalise
from jaxdl.training import images as images_module
from jaxdl.training.images import ImageAugmentation, image_pipeline

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)
    return {
        "image": jnp.asarray(random.integers(0, 256, (16, 6, 6, 3), np.uint8)),
        "index": jnp.arange(16, dtype=jnp.int32),
        "epoch": jnp.zeros(16, jnp.int32),
    }


def test_without_augmentation_training_inputs_are_those_of_prediction(batch):
    pipeline = image_pipeline(ImageAugmentation(), seed=0)
    (images,), (expected,) = pipeline.for_training(batch, KEY), pipeline.preprocess(batch)
    np.testing.assert_array_equal(expected, normalise(batch["image"]))
    np.testing.assert_allclose(images, expected, atol=1e-6)
    assert pipeline.test_time == ()


@pytest.mark.parametrize(
    "options",
    [
        {"shift": 1.0},
        {"rotation": 10.0},
        {"zoom": 0.2},
        {"flip": True},
        {"crop": 2},
        {"cutout": 3},
        {"color_jitter": 0.5},
    ],
    ids=lambda options: next(iter(options)),
)
def test_each_augmentation_changes_training_inputs_only(batch, options):
    pipeline = image_pipeline(ImageAugmentation(**options), seed=0)
    (images,), (expected,) = pipeline.for_training(batch, KEY), pipeline.preprocess(batch)
    assert images.shape == expected.shape
    assert images.dtype == expected.dtype
    assert not np.allclose(images, expected, atol=1e-3)
    np.testing.assert_array_equal(expected, normalise(batch["image"]))


def test_an_image_is_mirrored_in_every_other_epoch(batch):
    pipeline = image_pipeline(ImageAugmentation(flip=True), seed=0)
    plain, mirrored = normalise(batch["image"]), normalise(batch["image"][:, :, ::-1])
    first, second = (
        pipeline.for_training(batch | {"epoch": batch["epoch"] + epoch}, KEY)[0] for epoch in (0, 1)
    )
    flipped = np.abs(first - mirrored).max((1, 2, 3)) < 1e-5
    assert 0 < flipped.sum() < len(flipped)
    for images, is_mirrored in ((first, flipped), (second, ~flipped)):
        expected = np.where(is_mirrored[:, None, None, None], mirrored, plain)
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_the_seed_decides_which_images_are_mirrored_first(batch):
    options = ImageAugmentation(flip=True)
    first, other = (image_pipeline(options, seed).for_training(batch, KEY)[0] for seed in (0, 1))
    assert not np.allclose(first, other)


def test_a_second_view_is_the_mirror_image(batch):
    options = ImageAugmentation(test_time_views=2)
    (mirrored,) = image_pipeline(options, seed=0).test_time
    np.testing.assert_array_equal(mirrored(batch)[0], normalise(batch["image"][:, :, ::-1]))


def test_six_views_are_both_images_and_both_shifted_by_a_pixel_along_the_diagonal(batch):
    views = image_pipeline(ImageAugmentation(test_time_views=6), seed=0).test_time
    assert len(views) == 5
    image = np.asarray(normalise(batch["image"]))
    mirrored = image[:, :, ::-1]
    shifted = [
        np.pad(x, ((0, 0), pads, pads, (0, 0)), mode="reflect")[:, rows, rows]
        for pads, rows in (((0, 1), slice(1, None)), ((1, 0), slice(-1)))
        for x in (image, mirrored)
    ]
    for view, expected in zip(views, (mirrored, *shifted), strict=True):
        np.testing.assert_array_equal(view(batch)[0], expected)


def multiply(factor, values):
    return factor * values


def scale(images, key, alpha):
    """Stands for mixup: its alpha appears as a factor of images and labels."""
    return alpha * images, Partial(multiply, alpha)


def scale_ten_times(images, key, alpha):
    """Stands for CutMix."""
    return 10 * alpha * images, Partial(multiply, 10 * alpha)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"mixup": 0.5}, {0.5}),
        ({"cutmix": 0.5}, {5.0}),
        ({"mixup": 0.5, "cutmix": 0.2}, {0.5, 2.0}),
        ({}, {1.0}),
    ],
    ids=["mixup", "cutmix", "either", "neither"],
)
def test_images_and_labels_are_mixed_as_the_options_say(monkeypatch, options, expected):
    monkeypatch.setattr(images_module, "mixup", scale)
    monkeypatch.setattr(images_module, "cutmix", scale_ten_times)
    pipeline = image_pipeline(ImageAugmentation(**options), seed=0)

    @jax.jit
    def mix(key):
        (images,), mix_labels = pipeline.mix((jnp.ones((2, 3, 3, 1)),), key)
        return images, mix_labels(jnp.ones((2, 5)))

    found = set()
    for seed in range(10):
        images, labels = mix(jax.random.key(seed))
        assert images.shape == (2, 3, 3, 1)
        assert len({*np.asarray(images).ravel(), *np.asarray(labels).ravel()}) == 1
        found.add(float(images[0, 0, 0, 0]))
    assert found == expected
