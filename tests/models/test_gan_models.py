import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, init

from jaxdl.models.gan import Discriminator, Generator, TransposedConv
from jaxdl.training.state import count_parameters

KEY = jax.random.key(0)
NOISE = jnp.zeros((2, 100))
IMAGES = jnp.zeros((2, 28, 28, 1))


def test_the_numbers_of_parameters_are_those_of_the_tutorial():
    """They are the numbers of trainable parameters that Keras reports for the same layers."""
    generator = jax.eval_shape(lambda: Generator().init(KEY, NOISE, train=False))
    discriminator = jax.eval_shape(lambda: Discriminator().init(KEY, IMAGES, train=False))
    assert count_parameters(generator["params"]) == 2_305_472
    assert count_parameters(discriminator["params"]) == 212_865


def test_the_initial_kernels_are_drawn_as_keras_draws_them():
    """From a uniform distribution with the variance of Glorot and Bengio 2010, equation 16."""
    for module, inputs in ((Generator(), NOISE), (Discriminator(), IMAGES)):
        params = init(module, inputs, train=False)["params"]
        kernels = {name: layer["kernel"] for name, layer in params.items() if "kernel" in layer}
        assert kernels
        for name, kernel in kernels.items():
            *window, channels, features = kernel.shape
            limit = np.sqrt(6 / (np.prod(window) * (channels + features)))
            assert 0.98 * limit < jnp.abs(kernel).max() <= limit, name
            np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.05)


def test_the_generator_makes_images_and_the_discriminator_one_logit_for_each():
    def both(noise):
        images, _ = Generator().init_with_output(KEY, noise, train=False)
        logits, _ = Discriminator().init_with_output(KEY, images, train=False)
        return images, logits

    images, logits = jax.jit(both)(jax.random.normal(KEY, NOISE.shape))
    assert images.shape == (2, 28, 28, 1)
    assert images.dtype == logits.dtype == jnp.float32
    assert float(jnp.abs(images).max()) <= 1
    assert logits.shape == (2,)


def test_the_generator_makes_images_of_other_shapes():
    generator = Generator(image_shape=(16, 24, 3))
    images, _ = jax.eval_shape(lambda: generator.init_with_output(KEY, NOISE, train=False))
    assert images.shape == (2, 16, 24, 3)


def test_with_classes_an_image_and_its_logit_depend_on_the_label():
    generator, discriminator = Generator((4, 4, 1), 3), Discriminator(0.0, 3)
    noise = jnp.broadcast_to(jax.random.normal(KEY, (1, 8)), (3, 8))

    @jax.jit
    def both(labels):
        images, _ = generator.init_with_output(KEY, noise, labels, train=False)
        logits, variables = discriminator.init_with_output(KEY, images[:1], labels[:1], train=False)
        every = [
            discriminator.apply(variables, images[:1], labels[i : i + 1], train=False)
            for i in range(3)
        ]
        return images, logits, jnp.concatenate(every), variables

    images, logits, every, variables = both(jnp.arange(3))
    assert variables["params"]["head"]["kernel"].shape[-1] == 3
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert float(jnp.abs(images[one] - images[other]).max()) > 1e-3
        assert float(jnp.abs(every[one] - every[other])) > 1e-6
    np.testing.assert_array_equal(logits, every[:1])


def test_the_embedding_of_a_class_is_small_beside_the_noise():
    labels = jnp.arange(10)
    variables = init(Generator((4, 4, 1), 10), jnp.zeros((10, 100)), labels, train=False)
    lengths = jnp.linalg.norm(variables["params"]["embedding"]["embedding"], axis=-1)
    np.testing.assert_allclose(lengths, 1, atol=0.3)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_a_transposed_convolution_equals_that_of_flax_with_the_same_weights(strides):
    images = jax.random.normal(KEY, (2, 4, 5, 3))
    ours = TransposedConv(6, (5, 5), strides)
    variables = init(ours, images)
    reference = nn.ConvTranspose(6, (5, 5), strides, use_bias=False)
    np.testing.assert_allclose(
        apply(ours, variables, images), apply(reference, variables, images), rtol=1e-4, atol=1e-5
    )
