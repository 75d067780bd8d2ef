from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.data.mixing import cutmix, either, mixup

BATCH, HEIGHT, WIDTH = 64, 10, 12
alphas = strategies.sampled_from([0.2, 1.0, 4.0])
seeds = strategies.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def images():
    """Each image has a colour of its own, so that every pixel tells where it is from."""
    colours = jnp.arange(BATCH, dtype=jnp.float32).reshape(-1, 1, 1, 1)
    return jnp.broadcast_to(colours, (BATCH, HEIGHT, WIDTH, 2))


def check_form(mixture, images):
    mixed, partners, shares = mixture
    assert (mixed.shape, mixed.dtype) == (images.shape, images.dtype)
    assert sorted(partners.tolist()) == list(range(BATCH))  # each image is a partner once
    assert shares.shape == (BATCH,)
    assert shares.dtype == jnp.float32
    assert 0 <= shares.min() <= shares.max() <= 1


@settings(max_examples=20, deadline=None)
@given(seed=seeds, alpha=alphas)
def test_mixup_is_the_weighted_mean_of_two_images(images, seed, alpha):
    mixture = mixup(images, jax.random.key(seed), alpha)
    check_form(mixture, images)
    mixed, partners, shares = (np.asarray(array) for array in mixture)
    expected = shares * np.arange(BATCH) + (1 - shares) * partners
    np.testing.assert_allclose(mixed.min((1, 2, 3)), expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(mixed.max((1, 2, 3)), expected, rtol=1e-5, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, alpha=alphas)
def test_cutmix_pastes_one_rectangle_and_its_share_is_what_is_left(images, seed, alpha):
    mixture = cutmix(images, jax.random.key(seed), alpha)
    check_form(mixture, images)
    mixed, partners, shares = (np.asarray(array) for array in mixture)
    for index in np.flatnonzero(partners != np.arange(BATCH)):
        pasted = (mixed[index] == partners[index]).all(-1)
        kept = (mixed[index] == index).all(-1)
        np.testing.assert_array_equal(pasted, ~kept)
        np.testing.assert_array_equal(pasted, np.outer(pasted.any(1), pasted.any(0)))  # rectangle
        for side in (pasted.any(0), pasted.any(1)):
            assert np.count_nonzero(np.diff(side.astype(int))) <= 2  # in one piece
        assert shares[index] == pytest.approx(kept.mean(), abs=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_shares_are_drawn_from_the_beta_distribution(images, alpha):
    keys = jax.random.split(jax.random.key(0), 60)
    shares = np.asarray(jax.vmap(lambda key: mixup(images, key, alpha)[2])(keys))
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.var() == pytest.approx(1 / (8 * alpha + 4), rel=0.1)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_the_key_decides(images, mix):
    first, again, other = (mix(images, jax.random.key(seed), 1.0) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert (first[0] != other[0]).any()


def test_either_way_comes_in_about_half_of_the_batches(images):
    way = jax.jit(either(partial(mixup, alpha=1.0), partial(cutmix, alpha=1.0)))
    blended = 0
    for seed in range(40):
        mixture = way(images, jax.random.key(seed))
        check_form(mixture, images)
        blended += bool((mixture[0] % 1).any())  # colours between those of the images
    assert 10 <= blended <= 30
