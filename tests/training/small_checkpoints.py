"""Small checkpoints for the tests of the store."""

import jax.numpy as jnp
import optax
import small_training as small

from jaxdl.training.checkpoints import CheckpointStore

OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1))


def new_trees(number, ema_decay=0.9):
    """Training and model of a checkpoint; another number gives other values everywhere."""
    state = small.new_state(number, OPTIMIZER, ema_decay)
    return {"state": state, "best": jnp.float32(-jnp.inf)}, state.variables


def write(directory, *steps):
    with CheckpointStore(directory) as store:
        for step in steps:
            store.save(step, *new_trees(step))


def restore(directory):
    with CheckpointStore(directory) as store:
        return store.restore(*new_trees(0))


def steps_in(directory):
    return sorted({path.name for path in directory.iterdir()} - {"lock"})
