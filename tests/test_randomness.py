import ast
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxdl.randomness import Purpose, draw_for_rows, key_for

REPOSITORY = Path(__file__).parent.parent
COUNT = 2000


def words(keys):
    return np.asarray(jax.random.key_data(keys)).reshape(-1, 2)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_no_two_purposes_of_a_seed_share_a_key_whatever_is_folded_in(seed):
    root = jax.random.key(np.uint32(seed))
    keys = [root, jax.random.split(root, COUNT)]  # which a user may draw from the same seed
    for purpose in Purpose:
        key = key_for(purpose, np.uint32(seed))
        counted = jax.vmap(lambda n, key=key: jax.random.fold_in(key, n))(np.arange(COUNT))
        parts = jax.vmap(lambda key: jax.random.split(key, 4))(counted)
        keys += [key, counted, parts]
    every = np.concatenate([words(some) for some in keys])
    assert len(every) > len(Purpose) * 5 * COUNT
    assert len(np.unique(every, axis=0)) == len(every)


def splitmix64(state, count):
    """The published generator, in Python's integers."""
    for _ in range(count):
        bits = state
        bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
        yield (bits ^ bits >> 31) / 2**64
        state = (state + 0x9E3779B97F4A7C15) % 2**64


def test_draws_of_rows_are_parts_of_one_sequence():
    draws = draw_for_rows(Purpose.CROP, 3, 5, np.array([7, 0, 2]), 4)
    entropy = np.random.SeedSequence((3, Purpose.CROP, 5))
    sequence = list(splitmix64(int(entropy.generate_state(1, np.uint64)[0]), 32))
    np.testing.assert_allclose(draws, [sequence[28:], sequence[:4], sequence[8:12]], atol=1e-15)


def test_draws_are_uniform_and_differ_between_seeds_epochs_and_rows():
    rows = np.arange(COUNT)
    draws = [
        draw_for_rows(Purpose.CROP, seed, epoch, rows, 8) for seed in (0, 1) for epoch in (0, 1)
    ]
    every = np.stack(draws)
    assert len(np.unique(every)) == every.size
    assert 0 <= every.min() < every.max() < 1
    counts, _ = np.histogram(every, 50, (0, 1))
    assert np.abs(counts - every.size / 50).max() < 5 * np.sqrt(every.size / 50)
    assert np.abs(np.corrcoef(every.reshape(-1, 8).T) - np.eye(8)).max() < 0.05


def test_keys_come_from_one_place():
    """A key is made of a seed there only; a number elsewhere is of a draw that nothing shares."""
    for room in ("jaxdl", "experiments"):
        for path in (REPOSITORY / room).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if is_of_a_seed(node)]
            assert not calls or path.name == "randomness.py", path


def is_of_a_seed(node):
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("jax.random.key", "jax.random.PRNGKey", "random.key")
        and not isinstance(node.args[0], ast.Constant)
    )
