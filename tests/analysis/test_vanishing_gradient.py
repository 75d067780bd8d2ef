import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.analysis.vanishing_gradient import gradient_norms
from jaxdl.models.rnn import RecurrentLayer

FEATURES, DISTANCE = 4, 6


def new_variables(kernel_scale):
    """A layer whose recurrent kernel is a multiple of the identity, and which has small inputs."""
    layer = RecurrentLayer("simple", FEATURES)
    arguments = jnp.zeros((1, 1, FEATURES)), jnp.ones((1, 1), bool)
    params = layer.init(jax.random.key(0), *arguments)["params"]
    return {
        "params": {
            "input": {"kernel": 1e-3 * jnp.eye(FEATURES)},
            "kernel": kernel_scale * jnp.eye(FEATURES),
            "bias": jnp.zeros_like(params["bias"]),
        }
    }


@pytest.mark.parametrize("scale", [0.5, 0.9])
def test_near_zero_the_gradient_of_a_simple_cell_decays_by_its_kernel(scale):
    norms = gradient_norms("simple", FEATURES, DISTANCE, 0, new_variables(scale))
    assert norms.shape == (DISTANCE,)
    np.testing.assert_allclose(norms[1:] / norms[:-1], scale, rtol=1e-3)  # the last input first


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_the_norms_of_an_untrained_layer_depend_on_the_seed_alone(cell):
    norms, same, other = (gradient_norms(cell, FEATURES, DISTANCE, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(norms, same)
    assert not np.allclose(norms, other)
    assert (norms > 0).all()
