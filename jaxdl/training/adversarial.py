"""Train step of a generative adversarial network: two models, each the other's loss."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import lax
from jax.sharding import Mesh

from jaxdl.training.classification import Batch, Metrics
from jaxdl.training.state import TrainState, create_train_state

PENALTY_INTERVAL = 8
LARGEST_LOGIT = 80.0


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


def create_adversaries(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: optax.GradientTransformation,
    noise_size: int,
    image_shape: tuple[int, ...],
    seed: int,
    ema_decay: float = 0.0,
    mesh: Mesh | None = None,
) -> Adversaries:
    """Initialises both models and their optimizers; see `jaxdl.training.state`.

    Args:
      generator: called with noise.
      discriminator: called with images; gives the logit of "real".
      optimizer: of both.
      noise_size: length of a noise vector.
      image_shape: (height, width, channels).
      seed: of the initial parameters.
      ema_decay: of the moving average of the generator's parameters.
      mesh: over whose devices to lay the states out; None for all there are.
    """
    noise = jax.ShapeDtypeStruct((1, noise_size), jnp.float32)
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    create = partial(create_train_state, optimizer=optimizer, seed=seed, mesh=mesh)
    return Adversaries(
        generator=create(generator, inputs=[noise], ema_decay=ema_decay),
        discriminator=create(discriminator, inputs=[image]),
    )


def train_both(
    state: Adversaries, batch: Batch, key: jax.Array, **options: Any
) -> tuple[Adversaries, Metrics]:
    """`train_step` of the two states as one; options as there."""
    generator, discriminator, metrics = train_step(
        state.generator, state.discriminator, batch, key, **options
    )
    return Adversaries(generator=generator, discriminator=discriminator), metrics


def train_step(
    generator: TrainState,
    discriminator: TrainState,
    batch: Batch,
    key: jax.Array,
    *,
    noise_size: int,
    label_smoothing: float = 0.0,
    gradient_penalty: float = 0.0,
) -> tuple[TrainState, TrainState, Metrics]:
    """One update of the discriminator and one of the generator, from the same samples. Pure.

    The non-saturating losses of Goodfellow et al. 2014, section 3. Generator and
    discriminator see the samples once, forward and backward, for both updates: both are
    those of the models before the step, and since the discriminator looks at each image by
    itself, the gradients of the two losses with respect to a sample differ by a factor
    alone. (Where the discriminator is certain, logits below -80, the generator learns
    nothing: there float32 cannot hold that factor.)

    Args:
      generator: before the step.
      discriminator: before the step.
      batch: "image", uint8 (batch, height, width, channels).
      key: the randomness of this step.
      noise_size: length of a noise vector.
      label_smoothing: how much less than 1 the discriminator is to say of real images
        (one-sided: Salimans et al. 2016, section 3.4), in [0, 1).
      gradient_penalty: weight of half the squared gradient of the logit with respect to a
        real image ("R1": Mescheder et al. 2018, section 4.1), added to the discriminator's
        loss; 0 for none.

    Returns:
      Both states after the step; "generator_loss", "discriminator_loss" without the
      penalty, and the shares of real and of generated images that the discriminator tells
      as such, "real_accuracy" and "fake_accuracy"; all float32.
    """
    noise_key, real_key, fake_key = jax.random.split(key, 3)
    real = to_signed(batch["image"])
    noise = jax.random.normal(noise_key, (real.shape[0], noise_size))

    def generate(params: Any) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": generator.batch_stats}
        return generator.apply_fn(variables, noise, train=True, mutable=["batch_stats"])

    def discriminate(params: Any, images: jax.Array, dropout_key: jax.Array) -> jax.Array:
        rngs = {"dropout": dropout_key}
        return discriminator.apply_fn({"params": params}, images, train=True, rngs=rngs)

    def real_loss(params: Any) -> tuple[jax.Array, jax.Array]:
        logits = discriminate(params, real, real_key)
        target = 1.0 - label_smoothing
        return optax.sigmoid_binary_cross_entropy(logits, target).mean(), logits

    def fake_loss(params: Any, images: jax.Array) -> tuple[jax.Array, jax.Array]:
        logits = discriminate(params, images, fake_key)
        return optax.sigmoid_binary_cross_entropy(logits, 0.0).mean(), logits

    fake, pull_back, updates = jax.vjp(generate, generator.params, has_aux=True)
    (loss_on_real, real_logits), real_grads = jax.value_and_grad(real_loss, has_aux=True)(
        discriminator.params
    )
    (loss_on_fake, fake_logits), (fake_grads, image_grads) = jax.value_and_grad(
        fake_loss, argnums=(0, 1), has_aux=True
    )(discriminator.params, fake)
    grads = jax.tree.map(lambda on_real, on_fake: (on_real + on_fake) / 2, real_grads, fake_grads)
    if gradient_penalty:
        logit_of_real = partial(discriminate, dropout_key=real_key)
        grads = penalise(grads, discriminator, logit_of_real, real, gradient_penalty)
    discriminator = discriminator.apply_gradients(grads=grads)

    # The derivatives of -log sigmoid(x) and of -log(1 - sigmoid(x)) have the ratio -exp(-x).
    ratio = -jnp.exp(-fake_logits.clip(min=-LARGEST_LOGIT)).reshape(-1, 1, 1, 1)
    (grads,) = pull_back(ratio * image_grads)
    generator = generator.apply_gradients(grads=grads, batch_stats=updates["batch_stats"])
    return (
        generator,
        discriminator,
        {
            "generator_loss": optax.sigmoid_binary_cross_entropy(fake_logits, 1.0).mean(),
            "discriminator_loss": (loss_on_real + loss_on_fake) / 2,
            "real_accuracy": jnp.mean(real_logits > 0),
            "fake_accuracy": jnp.mean(fake_logits < 0),
        },
    )


def penalise(
    grads: Any,
    discriminator: TrainState,
    discriminate: Callable[[Any, jax.Array], jax.Array],
    real: jax.Array,
    gradient_penalty: float,
) -> Any:
    """Adds the gradient of the penalty, at every eighth step and eight times as strong.

    It wants second derivatives; rarely and strongly does as well as always (Karras et al.
    2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.1).

    Args:
      grads: of the discriminator's loss.
      discriminator: before the step.
      discriminate: ``discriminate(params, images)``, logits (batch,).
      real: images (batch, height, width, channels) in [-1, 1].
      gradient_penalty: its weight.

    Returns:
      The gradients, of the shapes of ``grads``.
    """

    def penalty(params: Any) -> jax.Array:
        gradients = jax.grad(lambda images: discriminate(params, images).sum())(real)
        squared_norms = jnp.square(gradients).sum(axis=(1, 2, 3))
        return gradient_penalty / 2 * PENALTY_INTERVAL * squared_norms.mean()

    return lax.cond(
        discriminator.step % PENALTY_INTERVAL == 0,
        lambda: jax.tree.map(jnp.add, grads, jax.grad(penalty)(discriminator.params)),
        lambda: grads,
    )


def to_signed(images: jax.Array) -> jax.Array:
    """Maps uint8 pixels to float32 in [-1, 1]; any shape."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_pixels(images: jax.Array) -> jax.Array:
    """The inverse of `to_signed`, rounded to uint8."""
    return jnp.round((images + 1.0) * 127.5).astype(jnp.uint8)
