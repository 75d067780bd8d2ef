"""Flax modules, each initialised or applied in one program and not operation by operation."""

from functools import partial

import jax


def init(module, *inputs, **options):
    """Calls ``module.init``."""
    return jax.jit(partial(module.init, **options))(jax.random.key(0), *inputs)


def apply(module, variables, *inputs, **options):
    """Calls ``module.apply``."""
    return jax.jit(partial(module.apply, **options))(variables, *inputs)


def parameter_shapes(module, inputs):
    """Shapes and dtypes of the parameters of a module that takes ``train``."""
    return jax.eval_shape(partial(module.init, train=False), jax.random.key(0), *inputs)["params"]
