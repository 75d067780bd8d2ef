import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.analysis.grad_cam import grad_cam


def test_the_result_is_that_of_the_definition_up_to_the_number_of_places():
    """In the definition, gradients averaged over the places weigh the maps, then comes a ReLU."""
    random = np.random.default_rng(0)
    maps = random.normal(size=(3, 4, 5, 6)).astype(np.float32)
    kernel = random.normal(size=(6, 7)).astype(np.float32)
    classes = np.array([0, 6, 2])

    def chosen_logits(maps):
        logits = maps.mean((1, 2)) @ kernel
        return logits[jnp.arange(3), classes].sum()

    weights = jax.grad(chosen_logits)(maps).mean((1, 2))
    expected = jax.nn.relu(jnp.einsum("nrcf,nf->nrc", maps, weights))
    np.testing.assert_allclose(grad_cam(maps, kernel, classes), 20 * expected, atol=1e-5)
