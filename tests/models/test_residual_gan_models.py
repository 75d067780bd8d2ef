import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, init

from jaxdl.models.residual_gan import ResidualBlock, ResidualDiscriminator, ResidualGenerator
from jaxdl.training.state import count_parameters

KEY = jax.random.key(0)
NOISE = jnp.zeros((2, 100))


def count(model, *inputs):
    """The trainable parameters of a network."""
    variables = jax.eval_shape(lambda: model.init(KEY, *inputs, train=False))
    return count_parameters(variables["params"])


def test_the_numbers_of_parameters_are_those_of_the_layers():
    width = 6
    block = 2 * (9 * width**2 + width)
    wide_block = 2 * (9 * (2 * width) ** 2 + 2 * width)
    shrink = 16 * width + width + 16 * 2 * width**2 + 2 * width
    head = 7 * 7 * 2 * width + 1
    images = jnp.zeros((1, 28, 28, 1))
    assert count(ResidualDiscriminator(width), images) == block + wide_block + shrink + head

    dense = 101 * 7 * 7 * 2 * width
    norms = 2 * (2 * 2 * width) + 2 * (2 * width) + 2 * width
    grow = 16 * 2 * width**2 + 16 * width
    assert (
        count(ResidualGenerator(features=width), NOISE) == block + wide_block + dense + norms + grow
    )


@pytest.mark.parametrize("image_shape", [(28, 28, 1), (16, 24, 3)])
def test_the_generator_makes_images_and_the_discriminator_one_logit_for_each(image_shape):
    generator, discriminator = ResidualGenerator(image_shape, features=4), ResidualDiscriminator(4)

    @jax.jit
    def both(noise):
        images, _ = generator.init_with_output(KEY, noise, train=False)
        logits, _ = discriminator.init_with_output(KEY, images, train=False)
        return images, logits

    images, logits = both(jax.random.normal(KEY, NOISE.shape))
    assert images.shape == (2, *image_shape)
    assert images.dtype == logits.dtype == jnp.float32
    assert 0 < float(jnp.abs(images).max()) <= 1
    assert logits.shape == (2,)


def test_with_classes_an_image_and_its_logit_depend_on_the_label():
    generator, discriminator = ResidualGenerator((4, 4, 1), 4, 3), ResidualDiscriminator(4, 3)
    noise = jnp.broadcast_to(jax.random.normal(KEY, (1, 8)), (3, 8))
    labels = jnp.arange(3)

    @jax.jit
    def both():
        images, _ = generator.init_with_output(KEY, noise, labels, train=False)
        same = jnp.broadcast_to(images[:1], images.shape)
        logits, _ = discriminator.init_with_output(KEY, same, labels, train=False)
        return images, logits

    images, logits = both()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert float(jnp.abs(images[one] - images[other]).max()) > 1e-3
        assert float(jnp.abs(logits[one] - logits[other])) > 1e-6


@pytest.mark.parametrize("norm", [None, nn.LayerNorm])
def test_a_block_is_the_identity_at_first(norm):
    images = jax.random.normal(KEY, (2, 5, 6, 3))
    outputs, _ = ResidualBlock(norm).init_with_output(KEY, images)
    np.testing.assert_array_equal(outputs, images)


@pytest.mark.parametrize("norm", [None, nn.LayerNorm])
def test_a_block_adds_two_convolutions_of_normalised_activations(norm):
    block = ResidualBlock(norm)
    of_images, of_values = jax.random.split(KEY)
    images = jax.random.normal(of_images, (2, 5, 6, 3))
    leaves, structure = jax.tree.flatten(init(block, images))
    keys = jax.random.split(of_values, len(leaves))
    drawn = [jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)]
    variables = jax.tree.unflatten(structure, drawn)
    x = images
    for index in range(2):
        layers = {
            name[:-2]: {"params": tree}
            for name, tree in variables["params"].items()
            if name[-1] == str(index)
        }
        if norm:
            x = apply(nn.LayerNorm(), layers["norm"], x)
        x = apply(nn.Conv(3, (3, 3)), layers["conv"], jnp.where(x > 0, x, 0.2 * x))
    outputs = apply(block, variables, images)
    np.testing.assert_allclose(outputs, images + x, rtol=1e-3, atol=1e-3)
