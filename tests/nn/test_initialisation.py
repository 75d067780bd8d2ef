import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxdl.nn import Conv
from jaxdl.nn.initialisation import with_flat_window


@pytest.mark.parametrize(
    "initializer",
    [nn.initializers.lecun_normal(), nn.initializers.variance_scaling(2.0, "fan_out", "normal")],
    ids=["fan_in", "fan_out"],
)
@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (5, 2, 1, 3), (1, 1, 2, 2)])
def test_the_initial_values_are_those_of_the_initializer(initializer, shape):
    key = jax.random.key(0)
    draws = [jax.jit(f, static_argnums=1) for f in (with_flat_window(initializer), initializer)]
    got, expected = (draw(key, shape) for draw in draws)
    assert got.shape == shape
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_conv_layer_has_the_initial_kernel_of_flax():
    images = jax.random.normal(jax.random.key(0), (1, 6, 6, 2))
    ours, flax = (layer(3, (3, 3)).init(jax.random.key(1), images) for layer in (Conv, nn.Conv))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, flax)
