from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies

from jaxdl.training.muon import orthogonalise, orthogonalise_updates
from jaxdl.training.optimizers import build_optimizer

HIDDEN = {
    "conv_0": {"kernel": (3, 3, 2, 8)},
    "dense_9": {"kernel": (5, 6)},
    "block_0": {
        "dense_0": {"kernel": (12, 4)},
        "query_key_value": {"kernel": (6, 3, 2, 3)},
        "output": {"kernel": (2, 3, 6)},
    },
}
NOT_HIDDEN = {
    "head": {"kernel": (6, 5), "bias": (5,)},
    "embedding": {"kernel": (6, 6)},
    "positions": (1, 4, 6),
}


def random_tree(shapes):
    random = np.random.default_rng(0)
    is_shape = {"is_leaf": lambda leaf: isinstance(leaf, tuple)}
    return jax.tree.map(lambda s: random.normal(size=s).astype(np.float32), shapes, **is_shape)


def test_muon_updates_hidden_matrices_by_nearest_orthogonal_ones_and_the_rest_like_adam():
    params = random_tree(HIDDEN | NOT_HIDDEN)
    rate = optax.constant_schedule(0.1)
    changes = {}
    optimizers = {"muon": build_optimizer("muon", rate), "adam": optax.adam(rate, nesterov=True)}
    for name, optimizer in optimizers.items():
        changes[name], _ = jax.jit(optimizer.update)(params, optimizer.init(params), params)
    for name in NOT_HIDDEN:
        jax.tree.map(
            partial(np.testing.assert_allclose, rtol=1e-5),
            changes["muon"][name],
            changes["adam"][name],
        )

    def check(change, gradient):
        matrix, expected = (np.reshape(x, (-1, x.shape[-1])) for x in (change, gradient))
        left, _, right = np.linalg.svd(expected, full_matrices=False)
        nearest = -left @ right * 0.1 * 0.2 * np.sqrt(max(matrix.shape))
        cosine = (matrix * nearest).sum() / np.linalg.norm(matrix) / np.linalg.norm(nearest)
        assert cosine > 0.95  # five iterations approximate each singular value to within 30 %
        assert np.linalg.norm(matrix) == pytest.approx(np.linalg.norm(nearest), rel=0.3)

    change, gradient = changes["muon"], params
    check(change["conv_0"]["kernel"], gradient["conv_0"]["kernel"])
    check(change["dense_9"]["kernel"], gradient["dense_9"]["kernel"])
    change, gradient = change["block_0"], gradient["block_0"]
    check(change["dense_0"]["kernel"], gradient["dense_0"]["kernel"])
    check(change["output"]["kernel"], gradient["output"]["kernel"])
    for index in range(3):  # queries, keys, values
        projections = (tree["query_key_value"]["kernel"][:, index] for tree in (change, gradient))
        check(*(projection.reshape(6, 6) for projection in projections))


def test_each_matrix_is_updated_as_if_it_were_alone():
    gradients = random_tree(
        {
            "dense_0": {"kernel": (4, 6)},
            "dense_1": {"kernel": (6, 4)},
            "conv_0": {"kernel": (2, 1, 2, 6)},
            "query_key_value": {"kernel": (4, 3, 2, 3)},
            "dense_2": {"kernel": (5, 5)},
        }
    )
    optimizer = orthogonalise_updates()

    def update(tree):
        return optimizer.update(tree, optimizer.init(tree))[0]

    together = jax.jit(update)(gradients)
    for name, layer in gradients.items():
        alone = update({name: layer})[name]["kernel"]
        np.testing.assert_allclose(together[name]["kernel"], alone, rtol=1e-4, atol=1e-5)
        assert alone.shape == layer["kernel"].shape


@given(strategies.integers(1, 6), strategies.integers(0, 6), strategies.integers(0, 9))
@settings(max_examples=10, deadline=None)
def test_singular_values_become_nearly_one_and_singular_vectors_stay(rows, more, seed):
    matrix = np.random.default_rng(seed).normal(size=(rows, rows + more))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    (found,) = orthogonalise(jnp.asarray(matrix[None], jnp.float32))
    rotated = left.T @ np.asarray(found) @ right.T
    large = values > 0.02 * np.linalg.norm(matrix)
    np.testing.assert_allclose(np.diag(rotated)[large], 1, atol=0.35)
    np.testing.assert_allclose(rotated - np.diag(np.diag(rotated)), 0, atol=0.01)


def with_noise(tree, seed):
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: np.float32(leaf + random.normal(size=leaf.shape)), tree)


def test_after_some_steps_the_updates_are_those_of_optax():
    """Optax corrects the bias of the momentum, which matters in the first steps only."""
    params = random_tree(HIDDEN | NOT_HIDDEN)
    rate = optax.constant_schedule(0.01)

    def axes_of(params):
        def axes(path, leaf):
            names = [entry.key for entry in path]
            if names[0] in NOT_HIDDEN:
                return None
            if "query_key_value" in names:
                return optax.contrib.MuonDimensionNumbers((0,), (2, 3))
            return optax.contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), (leaf.ndim - 1,))

        return jax.tree_util.tree_map_with_path(axes, params)

    reference = optax.contrib.muon(
        rate, weight_decay=0.1, muon_weight_dimension_numbers=axes_of, consistent_rms=0.2
    )
    ours = build_optimizer("muon", rate, weight_decay=0.1)
    states = {optimizer: optimizer.init(params) for optimizer in (ours, reference)}
    for step in range(60):
        gradients = with_noise(params, step)
        changes = []
        for optimizer, state in states.items():
            change, states[optimizer] = jax.jit(optimizer.update)(gradients, state, params)
            changes.append(change)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0.05, atol=1e-4), *changes)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5)])
def test_without_gradient_there_is_no_update(shape):
    zeros = {"dense_0": {"kernel": jnp.zeros(shape)}}
    optimizer = orthogonalise_updates()
    (change,) = jax.tree.leaves(optimizer.update(zeros, optimizer.init(zeros))[0])
    assert not change.any()
