import ast
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxdl.randomness import Purpose, key_for

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
