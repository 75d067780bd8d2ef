"""Flax modules, each initialised or applied in one program and not operation by operation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def init(module, *inputs, **options):
    """Calls ``module.init``."""
    return jax.jit(partial(module.init, **options))(jax.random.key(0), *inputs)


def draw(module, *inputs, **options):
    """Draws variables of a module without its initializers, which take seconds to compile."""
    shapes = jax.eval_shape(partial(module.init, **options), jax.random.key(0), *inputs)
    random = np.random.default_rng(0)

    def draw_leaf(path, leaf):
        mean = path[-1].key in ("scale", "var")
        spread = np.prod(leaf.shape[:-1]) ** -0.5 if leaf.ndim > 1 else 0.1
        return jnp.asarray(random.normal(mean, spread, leaf.shape), leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw_leaf, shapes)


def apply(module, variables, *inputs, **options):
    """Calls ``module.apply``."""
    return jax.jit(partial(module.apply, **options))(variables, *inputs)


def parameter_shapes(module, inputs):
    """Shapes and dtypes of the parameters of a module that takes ``train``."""
    return jax.eval_shape(partial(module.init, train=False), jax.random.key(0), *inputs)["params"]
