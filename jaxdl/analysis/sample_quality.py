"""The quality of generated samples, measured on their features in a classifier."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

ROWS_AT_ONCE = 500
NEIGHBOURS = 3
LARGEST_BLOCK = 1000


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Computes the squared Frechet distance of normal distributions fitted to two sets of features.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", section 3, use the features
    of Inception; here they are those of any network.

    Args:
      first: float (examples, features).
      second: float (examples, features).
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    first_covariance, second_covariance = np.cov(first.T), np.cov(second.T)
    values, vectors = np.linalg.eigh(first_covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The trace of the root of a product is that of the symmetric matrix similar to it.
    product = np.linalg.eigvalsh(root @ second_covariance @ root)
    means = np.square(first.mean(0) - second.mean(0)).sum()
    covariances = np.trace(first_covariance) + np.trace(second_covariance)
    return float(means + covariances - 2 * np.sqrt(product.clip(0)).sum())


def kernel_distance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Estimates the squared kernel distance of two sets of features, and its standard error.

    Binkowski et al. 2018, "Demystifying MMD GANs", sections 2.1 and 4: the kernel is
    ``(x @ y / features + 1) ** 3``. Unlike the Frechet distance, its estimate has no bias, whatever
    the number of examples: it is the mean over disjoint blocks of 1,000 examples of each set, or
    over two halves if there are fewer than 2,000. What is left over does not count.

    Args:
      first: float (examples, features), at least four examples.
      second: float (examples, features), at least four examples.

    Returns:
      The mean over the blocks, 0 on average for sets of one distribution, and its standard error.
    """
    count = min(len(first), len(second))
    size = min(LARGEST_BLOCK, count // 2)
    random = np.random.default_rng(0)
    first, second = (
        random.permutation(features.astype(np.float64)) for features in (first, second)
    )
    parts = [slice(start, start + size) for start in range(0, count - size + 1, size)]
    estimates = np.array([_squared_mean_discrepancy(first[p], second[p]) for p in parts])
    return float(estimates.mean()), float(estimates.std(ddof=1) / len(estimates) ** 0.5)


def _squared_mean_discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Estimates the squared kernel distance without bias (Gretton et al. 2012, lemma 6)."""
    size, width = first.shape

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / width + 1) ** 3

    kernels = [kernel(x, x) for x in (first, second)]
    within = sum(values.sum() - np.trace(values) for values in kernels) / (size * (size - 1))
    return within - 2 * kernel(first, second).mean()


def precision_and_recall(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Computes what fraction of the samples look real, and what fraction of real data they cover.

    Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
    Models", section 2: a set covers the balls around its members, each of which reaches to the
    third-nearest other member.

    Args:
      real: float (examples, features), more than three examples.
      fake: float (samples, features), more than three samples.

    Returns:
      Precision, the fraction of ``fake`` that ``real`` covers, and recall, the fraction of ``real``
      that ``fake`` covers.
    """
    return _covered_share(fake, real), _covered_share(real, fake)


def nearest(points: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Finds for each point the index of the nearest one among others, int (points,).

    Args:
      points: float (points, features).
      among: float (others, features).
    """
    return _by_portions(_nearest, points, among)


def _covered_share(points: np.ndarray, others: np.ndarray) -> float:
    squared_radii = _by_portions(_squared_radii, others, others)
    return float(_by_portions(_are_covered, points, others, squared_radii).mean())


def _by_portions(
    function: Callable[..., jax.Array], points: np.ndarray, *others: np.ndarray
) -> np.ndarray:
    starts = range(0, len(points), ROWS_AT_ONCE)
    return np.concatenate([function(points[s : s + ROWS_AT_ONCE], *others) for s in starts])


def _squared_distances(rows: jax.Array, others: jax.Array) -> jax.Array:
    products = jnp.dot(rows, others.T, precision="highest")
    return jnp.square(rows).sum(1)[:, None] + jnp.square(others).sum(1) - 2 * products


@jax.jit
def _squared_radii(rows: jax.Array, points: jax.Array) -> jax.Array:
    """Returns each row's squared distance to its third-nearest other; points include the rows."""
    return -jax.lax.top_k(-_squared_distances(rows, points), NEIGHBOURS + 1)[0][:, -1]


@jax.jit
def _are_covered(rows: jax.Array, others: jax.Array, squared_radii: jax.Array) -> jax.Array:
    return (_squared_distances(rows, others) <= squared_radii).any(1)


@jax.jit
def _nearest(rows: jax.Array, among: jax.Array) -> jax.Array:
    return _squared_distances(rows, among).argmin(1)
