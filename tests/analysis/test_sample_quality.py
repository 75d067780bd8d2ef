import numpy as np
import pytest
from hypothesis import given, settings, strategies
from scipy.linalg import sqrtm

from jaxdl.analysis.sample_quality import (
    frechet_distance,
    kernel_distance,
    nearest,
    precision_and_recall,
)


def new_features(count, seed, size=4, shift=0.0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(size, size))
    return (random.normal(size=(count, size)) @ mixing + shift).astype(np.float32)


@given(seed=strategies.integers(0, 50), size=strategies.integers(2, 5))
@settings(max_examples=10, deadline=None)
def test_the_frechet_distance_is_that_of_the_formula(seed, size):
    first, second = new_features(50, seed, size), new_features(60, seed + 100, size, shift=1.0)
    (mean, other_mean), (cov, other_cov) = zip(
        *((x.mean(0, dtype=np.float64), np.cov(x.T.astype(np.float64))) for x in (first, second)),
        strict=True,
    )
    root = sqrtm(cov @ other_cov).real
    expected = ((mean - other_mean) ** 2).sum() + np.trace(cov + other_cov - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-5)


def test_the_frechet_distance_is_symmetric_and_zero_between_equal_sets():
    first, second = new_features(40, 0), new_features(40, 1)
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(second, first))
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-4)


def test_constant_features_give_a_finite_frechet_distance():
    features = new_features(40, 0)
    features[:, 2] = 0.0
    assert np.isfinite(frechet_distance(features, features + 1))


@given(seed=strategies.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_the_kernel_distance_is_the_mean_of_that_of_all_pairs_in_each_half(seed):
    first, second = (np.tile(new_features(3, seed + i, shift=i), (2, 1)) for i in range(2))
    random = np.random.default_rng(0)
    orders = [random.permutation(6) for _ in range(2)]
    estimates = []
    for half in (slice(3), slice(3, 6)):
        x, y = (s[o[half]].astype(float) for s, o in zip((first, second), orders, strict=True))

        def kernel(a, b):
            return (sum(p * q for p, q in zip(a, b, strict=True)) / 4 + 1) ** 3

        within = sum(
            kernel(s[i], s[j]) for s in (x, y) for i in range(3) for j in range(3) if i != j
        )
        between = sum(kernel(a, b) for a in x for b in y)
        estimates.append(within / 6 - 2 * between / 9)
    distance, error = kernel_distance(first, second)
    assert distance == pytest.approx(np.mean(estimates))
    assert error == pytest.approx(abs(estimates[0] - estimates[1]) / 2)


def test_the_kernel_distance_is_zero_within_its_error_for_equal_distributions():
    mixed = new_features(6000, 0)
    distance, error = kernel_distance(mixed[:3000], mixed[3000:])
    other, other_error = kernel_distance(mixed[:3000], mixed[3000:] + 0.5)
    assert abs(distance) < 4 * error
    assert other > 5 * other_error > 0


def by_definition(real, fake, neighbours=3):
    """Precision and recall as loops over all pairs."""

    def covered(points, others):
        gaps = np.linalg.norm(others[:, None] - others, axis=-1)
        radii = np.sort(gaps, axis=1)[:, neighbours]
        reach = np.linalg.norm(points[:, None] - others, axis=-1) <= radii
        return reach.any(1).mean()

    return covered(fake, real), covered(real, fake)


@given(seed=strategies.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_precision_and_recall_are_those_of_the_definition(seed):
    real, fake = new_features(30, seed), new_features(25, seed + 1, shift=0.5)
    assert precision_and_recall(real, fake) == pytest.approx(by_definition(real, fake))


def test_a_collapsed_generator_has_precision_and_no_recall():
    real = new_features(200, 0)
    fake = real[:1] + np.random.default_rng(0).normal(0, 1e-3, (200, 4)).astype(np.float32)
    precision, recall = precision_and_recall(real, fake)
    assert precision > 0.9
    assert recall < 0.1


def test_the_results_do_not_depend_on_the_size_of_the_portions(monkeypatch):
    real, fake = new_features(23, 0), new_features(17, 1)
    whole = precision_and_recall(real, fake)
    monkeypatch.setattr("jaxdl.analysis.sample_quality.ROWS_AT_ONCE", 5)
    assert precision_and_recall(real, fake) == whole
    gaps = np.linalg.norm(fake[:, None] - real, axis=-1)
    np.testing.assert_array_equal(nearest(fake, real), gaps.argmin(1))
