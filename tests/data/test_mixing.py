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
    """Images of one colour each, so that every pixel tells which image it is from."""
    colours = jnp.arange(BATCH, dtype=jnp.float32).reshape(-1, 1, 1, 1)
    return jnp.broadcast_to(colours, (BATCH, HEIGHT, WIDTH, 2))


def take_apart(mixture, images):
    """The mixed images, partners and shares of a mixture, after a check of their shapes."""
    mixed, mix_labels = mixture
    partners, shares = mix_labels.args
    assert (mixed.shape, mixed.dtype) == (images.shape, images.dtype)
    assert sorted(partners.tolist()) == list(range(BATCH))  # each image is a partner once
    assert shares.shape == (BATCH,)
    assert shares.dtype == jnp.float32
    assert 0 <= shares.min() <= shares.max() <= 1
    return np.asarray(mixed), np.asarray(partners), np.asarray(shares)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, alpha=alphas)
def test_mixup_is_the_weighted_mean_of_two_images(images, seed, alpha):
    mixed, partners, shares = take_apart(mixup(images, jax.random.key(seed), alpha), images)
    expected = shares * np.arange(BATCH) + (1 - shares) * partners
    np.testing.assert_allclose(mixed.min((1, 2, 3)), expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(mixed.max((1, 2, 3)), expected, rtol=1e-5, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, alpha=alphas)
def test_cutmix_pastes_one_rectangle_and_the_share_is_what_it_leaves(images, seed, alpha):
    mixed, partners, shares = take_apart(cutmix(images, jax.random.key(seed), alpha), images)
    for index in np.flatnonzero(partners != np.arange(BATCH)):
        pasted = (mixed[index] == partners[index]).all(-1)
        kept = (mixed[index] == index).all(-1)
        np.testing.assert_array_equal(pasted, ~kept)
        np.testing.assert_array_equal(pasted, np.outer(pasted.any(1), pasted.any(0)))  # rectangle
        for side in (pasted.any(0), pasted.any(1)):
            assert np.count_nonzero(np.diff(side.astype(int))) <= 2  # contiguous
        assert shares[index] == pytest.approx(kept.mean(), abs=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_shares_are_drawn_from_the_beta_distribution(images, alpha):
    keys = jax.random.split(jax.random.key(0), 60)
    _, shares = jax.vmap(lambda key: mixup(images, key, alpha)[1])(keys).args
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.var() == pytest.approx(1 / (8 * alpha + 4), rel=0.1)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_labels_are_mixed_in_the_same_shares(images, mix):
    _, mix_labels = mix(images, jax.random.key(0), 1.0)
    partners, shares = mix_labels.args
    labels = jax.nn.softmax(jax.random.normal(jax.random.key(1), (BATCH, 5)))
    mixed = mix_labels(labels)
    expected = shares[:, None] * labels + (1 - shares[:, None]) * labels[partners]
    np.testing.assert_array_equal(mixed, expected)
    np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_the_key_decides(images, mix):
    first, again, other = (mix(images, jax.random.key(seed), 1.0) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert (first[0] != other[0]).any()


def test_either_mixes_about_half_of_the_batches_by_each_function(images):
    ways = partial(mixup, alpha=1.0), partial(cutmix, alpha=1.0)
    mix = jax.jit(either(*ways))
    blended = 0
    for seed in range(40):
        key = jax.random.key(seed)
        mixture = mix(images, key)
        mixed, *_ = take_apart(mixture, images)
        is_blended = (mixed % 1).any()  # colours between those of the images
        blended += is_blended
        expected = ways[0 if is_blended else 1](images, jax.random.split(key)[1])
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), mixture, expected)
    assert 10 <= blended <= 30
