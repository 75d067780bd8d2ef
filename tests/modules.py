"""Flax modules, each initialised or applied in one program and not operation by operation."""

from functools import partial

import jax


def init(module, *inputs, seed=0, **options):
    """Calls ``module.init`` with a key of the seed."""
    return jax.jit(partial(module.init, **options))(jax.random.key(seed), *inputs)


def apply(module, variables, *inputs, **options):
    """Calls ``module.apply``."""
    return jax.jit(partial(module.apply, **options))(variables, *inputs)
