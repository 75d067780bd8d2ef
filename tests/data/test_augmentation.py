from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.data.augmentation import (
    alternating_flip,
    color_jitter,
    cutout,
    normalise,
    random_affine,
    random_crop,
)

SIZE, BATCH = 25, 40
CENTRE = (SIZE - 1) / 2
TRANSFORMS = {
    "shift": {"shift": 2.5},
    "rotation": {"rotation": 20.0},
    "zoom": {"zoom": 0.2},
    "shift and rotation": {"shift": 3.0, "rotation": 40.0},
    "all": {"shift": 2.0, "rotation": 10.0, "zoom": 0.1},
}
augment = jax.jit(random_affine, static_argnames=("shift", "rotation", "zoom"))


def flip_in_epoch(images, key, epoch):
    index = np.arange(len(images), dtype=np.int32)
    return alternating_flip(images, key, index, np.full_like(index, epoch))


flip_in_epoch_3 = partial(flip_in_epoch, epoch=3)


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(0), (BATCH, 9, 8, 2))


def source_coordinates(**amounts):
    """Returns where each pixel of the middle comes from, relative to the centre.

    The images have their own coordinates as pixels, which linear interpolation keeps exactly.
    The result is float64 (batch, pixels, 2).
    """
    rows, columns = np.indices((SIZE, SIZE)).astype(np.float32)
    ramps = np.repeat(np.stack([rows, columns], -1)[None], BATCH, 0)
    middle = slice(SIZE // 2 - 3, SIZE // 2 + 4)
    sources = augment(ramps, jax.random.key(1), **amounts)[:, middle, middle] - CENTRE
    return np.asarray(sources, np.float64).reshape(BATCH, -1, 2)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_image_is_shifted_rotated_and_zoomed_by_its_own_amounts_within_range(name):
    amounts = TRANSFORMS[name]
    offsets = np.indices((7, 7)).reshape(2, -1).T - 3.0
    inputs = np.concatenate([offsets, np.ones((49, 1))], 1)
    found = []
    for sources in source_coordinates(**amounts):
        matrix, residuals, *_ = np.linalg.lstsq(inputs, sources, rcond=None)
        assert residuals.max() < 1e-5  # the map is affine
        (a, c), (b, d), shift = matrix
        assert (a, b) == (
            pytest.approx(d, abs=1e-4),
            pytest.approx(-c, abs=1e-4),
        )  # a rotation and a zoom
        found.append((np.hypot(a, b) ** -1 - 1, np.degrees(np.arctan2(c, a)), *shift))
    limits = [amounts.get(kind, 0.0) for kind in ("zoom", "rotation", "shift", "shift")]
    for values, limit in zip(np.transpose(found), limits, strict=True):
        assert np.abs(values).max() <= limit + 1e-3
        if limit:
            assert values.min() < -0.2 * limit
            assert values.max() > 0.2 * limit
            assert len(set(values.round(4))) == BATCH


def test_a_shift_interpolates_between_the_four_nearest_pixels(images):
    """The first channel has a single bright pixel, which shows the shift of the second one."""
    marker = np.zeros((BATCH, 15, 15), np.float32)
    marker[:, 7, 7] = 1
    noise = np.random.default_rng(0).random((BATCH, 15, 15), np.float32)
    moved = np.asarray(augment(np.stack([marker, noise], -1), jax.random.key(2), shift=3.0))
    rows, columns = np.indices((15, 15))
    for before, after in zip(noise, moved, strict=True):
        row_shift, column_shift = (7 - (after[..., 0] * axis).sum() for axis in (rows, columns))
        top, left = int(np.floor(row_shift)), int(np.floor(column_shift))
        down, right = row_shift - top, column_shift - left
        padded = np.pad(before, 5)
        corners = {
            (i, j): padded[5 + top + i : 20 + top + i, 5 + left + j : 20 + left + j]
            for i in (0, 1)
            for j in (0, 1)
        }
        upper = (1 - right) * corners[0, 0] + right * corners[0, 1]
        lower = (1 - right) * corners[1, 0] + right * corners[1, 1]
        np.testing.assert_allclose(after[..., 1], (1 - down) * upper + down * lower, atol=1e-4)


def test_a_rotated_blob_keeps_its_mass():
    rows, columns = np.indices((SIZE, SIZE)) - CENTRE
    blob = np.exp(-((rows - 5) ** 2 + (columns + 3) ** 2) / 8).astype(np.float32)
    blobs = np.repeat(blob[None, ..., None], BATCH, 0)
    masses = augment(blobs, jax.random.key(0), rotation=20.0).sum((1, 2, 3))
    np.testing.assert_allclose(masses, np.full(BATCH, blob.sum()), rtol=0.02)


def test_without_amounts_nothing_changes(images):
    np.testing.assert_array_equal(random_affine(images, jax.random.key(0)), images)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shape_dtype_and_range_are_kept(images, dtype):
    result = augment(images.astype(dtype), jax.random.key(0), **TRANSFORMS["all"])
    assert (result.shape, result.dtype) == (images.shape, dtype)
    assert 0 <= result.min() <= result.max() <= 1.01
    assert (result != images).any()


@pytest.mark.parametrize(
    "transform",
    [
        partial(augment, **TRANSFORMS["all"]),
        flip_in_epoch_3,
        partial(random_crop, padding=2),
        partial(cutout, size=3),
        partial(color_jitter, strength=0.3),
    ],
)
def test_the_key_decides(images, transform):
    first, again, other = (transform(images, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_every_epoch_mirrors_the_images_that_the_previous_one_did_not(images):
    many = np.tile(images, (20, 1, 1, 1))
    mirrored = []
    for epoch in range(4):
        flipped = np.asarray(flip_in_epoch(many, jax.random.key(0), epoch))
        is_mirrored = (flipped == many[:, :, ::-1]).all((1, 2, 3))
        assert np.logical_xor(is_mirrored, (flipped == many).all((1, 2, 3))).all()
        mirrored.append(is_mirrored)
    assert 0.4 < mirrored[0].mean() < 0.6
    for before, after in pairwise(mirrored):
        np.testing.assert_array_equal(after, ~before)


def test_whether_an_image_is_mirrored_does_not_depend_on_its_batch(images):
    order = np.random.default_rng(0).permutation(BATCH)
    epochs = np.full(BATCH, 5, np.int32)
    key = jax.random.key(0)
    whole = alternating_flip(images, key, np.arange(BATCH), epochs)
    shuffled = alternating_flip(images[order], key, order, epochs)
    np.testing.assert_array_equal(shuffled, whole[order])


def test_a_crop_is_a_window_of_the_padded_image_and_all_windows_occur(images):
    many = np.tile(images, (20, 1, 1, 1))
    crops = np.asarray(jax.jit(partial(random_crop, padding=2))(many, jax.random.key(0)))
    found = set()
    for before, after in zip(many, crops, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        windows = {
            (row, column): padded[row : row + 9, column : column + 8]
            for row in range(5)
            for column in range(5)
        }
        (match,) = [place for place, window in windows.items() if (window == after).all()]
        found.add(match)
    assert len(found) == 25


def test_a_cutout_is_one_square_that_may_cross_the_edge():
    images = np.ones((2000, 9, 8, 2), np.uint8)
    hidden = np.asarray(jax.jit(partial(cutout, size=4))(images, jax.random.key(0))) == 0
    assert (hidden[..., 0] == hidden[..., 1]).all()
    rows, columns = hidden.any((2, 3)), hidden.any((1, 3))
    np.testing.assert_array_equal(hidden[..., 0], rows[:, :, None] & columns[:, None, :])
    for axis in (rows, columns):
        assert set(axis.sum(1)) == {2, 3, 4}  # 2 if the centre is the first pixel
        assert axis.any(0).all()


@pytest.mark.parametrize("transform", [partial(random_crop, padding=3), partial(cutout, size=5)])
@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.float32, jnp.bfloat16])
def test_crop_and_cutout_keep_shape_and_dtype(images, transform, dtype):
    result = transform((255 * images).astype(dtype), jax.random.key(0))
    assert (result.shape, result.dtype) == (images.shape, dtype)


def test_pixels_become_floats_from_0_to_1():
    pixels = normalise(jnp.array([[0, 51, 255]], jnp.uint8))
    assert pixels.dtype == jnp.float32
    np.testing.assert_allclose(pixels, [[0.0, 0.2, 1.0]], rtol=1e-6)


def test_color_jitter_is_that_of_its_three_factors():
    images = np.random.default_rng(0).uniform(0.3, 0.7, (20, 4, 5, 3)).astype(np.float32)
    strength, key = 0.2, jax.random.key(3)
    factors = np.asarray(jax.random.uniform(key, (3, 20, 1, 1, 1), minval=0.8, maxval=1.2))
    bright = images * factors[0]
    mean = bright.mean((1, 2, 3), keepdims=True)
    contrasted = mean + factors[1] * (bright - mean)
    grey = contrasted.mean(3, keepdims=True)
    expected = (grey + factors[2] * (contrasted - grey)).clip(0, 1)
    jittered = jax.jit(partial(color_jitter, strength=strength))(images, key)
    np.testing.assert_allclose(jittered, expected, atol=1e-6)
    assert factors.std() > 0.05


def test_color_jitter_keeps_grey_images_grey_and_pixels_in_their_range():
    images = np.random.default_rng(0).uniform(size=(20, 4, 5, 1)).astype(np.float32)
    jittered = color_jitter(images.repeat(3, axis=3), jax.random.key(0), 1.0)
    np.testing.assert_allclose(jittered[..., :1].repeat(3, axis=3), jittered, atol=1e-6)
    assert jittered.min() >= 0 and jittered.max() <= 1
