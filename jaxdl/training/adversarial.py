"""Train step of a generative adversarial network: two models, each the other's loss."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxdl.training.classification import Batch, Metrics
from jaxdl.training.state import TrainState


class Adversaries(struct.PyTreeNode):
    """Both train states; the model that a training reports is the generator.

    Attributes:
      generator: called with noise.
      discriminator: called with images; gives the logit of "real".
    """

    generator: TrainState
    discriminator: TrainState

    @property
    def variables(self) -> dict[str, Any]:
        """Of the generator."""
        return self.generator.variables


def train_step(
    generator: TrainState,
    discriminator: TrainState,
    batch: Batch,
    key: jax.Array,
    *,
    noise_size: int,
    label_smoothing: float = 0.0,
) -> tuple[TrainState, TrainState, Metrics]:
    """One update of the discriminator, then one of the generator. Pure.

    The non-saturating losses of Goodfellow et al. 2014, section 3. The generator runs
    once for both updates: the first changes none of its parameters, so the same images
    and the same derivatives serve the second.

    Args:
      generator: before the step.
      discriminator: before the step.
      batch: "image", uint8 (batch, height, width, channels).
      key: the randomness of this step.
      noise_size: length of a noise vector.
      label_smoothing: how much less than 1 the discriminator is to say of real images
        (one-sided: Salimans et al. 2016, section 3.4), in [0, 1).

    Returns:
      Both states after the step; "generator_loss", "discriminator_loss", and the shares of
      real and of generated images that the discriminator tells as such, "real_accuracy" and
      "fake_accuracy", before its update; all float32.
    """
    noise_key, discriminator_key, generator_key = jax.random.split(key, 3)
    real = to_signed(batch["image"])
    noise = jax.random.normal(noise_key, (real.shape[0], noise_size))

    def generate(params: Any) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": generator.batch_stats}
        return generator.apply_fn(variables, noise, train=True, mutable=["batch_stats"])

    def discriminate(params: Any, images: jax.Array, dropout_key: jax.Array) -> jax.Array:
        rngs = {"dropout": dropout_key}
        return discriminator.apply_fn({"params": params}, images, train=True, rngs=rngs)

    def discriminator_loss(params: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        logits = discriminate(params, jnp.concatenate([real, fake]), discriminator_key)
        real_logits, fake_logits = jnp.split(logits, 2)
        real_loss = optax.sigmoid_binary_cross_entropy(real_logits, 1.0 - label_smoothing)
        fake_loss = optax.sigmoid_binary_cross_entropy(fake_logits, 0.0)
        return (real_loss.mean() + fake_loss.mean()) / 2, (real_logits, fake_logits)

    def generator_loss(images: jax.Array) -> jax.Array:
        logits = discriminate(discriminator.params, images, generator_key)
        return optax.sigmoid_binary_cross_entropy(logits, 1.0).mean()

    fake, pull_back, updates = jax.vjp(generate, generator.params, has_aux=True)
    (loss_of_discriminator, (real_logits, fake_logits)), grads = jax.value_and_grad(
        discriminator_loss, has_aux=True
    )(discriminator.params)
    discriminator = discriminator.apply_gradients(grads=grads)
    loss_of_generator, image_gradients = jax.value_and_grad(generator_loss)(fake)
    (grads,) = pull_back(image_gradients)
    generator = generator.apply_gradients(grads=grads, batch_stats=updates["batch_stats"])
    return (
        generator,
        discriminator,
        {
            "generator_loss": loss_of_generator,
            "discriminator_loss": loss_of_discriminator,
            "real_accuracy": jnp.mean(real_logits > 0),
            "fake_accuracy": jnp.mean(fake_logits < 0),
        },
    )


def to_signed(images: jax.Array) -> jax.Array:
    """Maps uint8 pixels to float32 in [-1, 1]; any shape."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_pixels(images: jax.Array) -> jax.Array:
    """The inverse of `to_signed`, rounded to uint8."""
    return jnp.round((images + 1.0) * 127.5).astype(jnp.uint8)
