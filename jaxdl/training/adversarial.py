"""Train step of a generative adversarial network: generator against discriminator."""

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

from jaxdl.errors import UserError
from jaxdl.randomness import Purpose
from jaxdl.training.classification import Metrics
from jaxdl.training.pipeline import Batch
from jaxdl.training.state import TrainState, create_train_state

PENALTY_INTERVAL = 8
LARGEST_LOGIT = 80.0

bce = optax.sigmoid_binary_cross_entropy


class Adversaries(struct.PyTreeNode):
    """The two train states; the model that a training reports is the generator.

    Attributes:
      generator: state of the network that is called with noise.
      discriminator: state of the network that is called with images; returns the logit of "real".

    If the batches have labels, both networks are called with them, too.
    """

    generator: TrainState
    discriminator: TrainState

    @property
    def variables(self) -> dict[str, Any]:
        """Variables of the generator."""
        return self.generator.variables


def create_adversaries(
    generator: nn.Module,
    discriminator: nn.Module,
    optimizer: optax.GradientTransformation,
    latent_dim: int,
    example: Batch,
    seed: int,
    ema_decay: float = 0.0,
    mesh: Mesh | None = None,
) -> Adversaries:
    """Initialises both models and their optimizers as `create_train_state` does; see `Adversaries`.

    ``example`` gives shapes and dtypes: "image", uint8 (1, height, width, channels), and perhaps
    "label", int32 (1,). Only the generator has a moving average.

    Raises:
      UserError: the discriminator has BatchNorm.
    """
    noise = jax.ShapeDtypeStruct((1, latent_dim), jnp.float32)
    image = jax.ShapeDtypeStruct((1, *example["image"].shape[1:]), jnp.float32)
    labels = labels_of(example)
    create = partial(create_train_state, optimizer=optimizer, seed=seed, mesh=mesh)
    adversaries = Adversaries(
        generator=create(generator, inputs=[noise, *labels], ema_decay=ema_decay),
        discriminator=create(
            discriminator, inputs=[image, *labels], purpose=Purpose.DISCRIMINATOR_INIT
        ),
    )
    if adversaries.discriminator.batch_stats:
        raise UserError(
            "The discriminator has BatchNorm, but must look at each image by itself: normalise by "
            "GroupNorm or LayerNorm instead."
        )
    return adversaries


def train_step(
    state: Adversaries,
    batch: Batch,
    key: jax.Array,
    *,
    latent_dim: int,
    label_smoothing: float = 0.0,
    gradient_penalty: float = 0.0,
) -> tuple[Adversaries, Metrics]:
    """Updates discriminator and generator once, from the same samples. Pure.

    The losses are the non-saturating ones of Goodfellow et al. 2014, section 3. One forward and one
    backward pass of the samples through both models gives both gradients, at the parameters before
    the step: since the discriminator looks at each image by itself, the gradients of the two losses
    with respect to a sample differ only by a factor, `generator_factor`.

    Args:
      state: before the step.
      batch: "image", uint8 (batch, height, width, channels), and perhaps "label", int32 (batch,),
        the classes of the real images and of the samples.
      key: the randomness of this step.
      latent_dim: length of a noise vector.
      label_smoothing: how far below 1 the discriminator's target for real images is (one-sided:
        Salimans et al. 2016, section 3.4), in [0, 1).
      gradient_penalty: weight of `add_gradient_penalty`; 0 for none.

    Returns:
      Both states after the step; "generator_loss", "discriminator_loss" without the penalty, and
      the fractions of real and of generated images that the discriminator classifies correctly,
      "real_accuracy" and "fake_accuracy"; all float32.
    """
    generator, discriminator = state.generator, state.discriminator
    noise_key, real_key, fake_key = jax.random.split(key, 3)
    real = to_signed(batch["image"])
    labels = labels_of(batch)
    noise = jax.random.normal(noise_key, (real.shape[0], latent_dim))

    def generate(params: Any) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": generator.batch_stats}
        return generator.apply_fn(variables, noise, *labels, train=True, mutable=["batch_stats"])

    def discriminate(params: Any, images: jax.Array, key: jax.Array) -> jax.Array:
        rngs = {"dropout": key}
        return discriminator.apply_fn({"params": params}, images, *labels, train=True, rngs=rngs)

    def loss_fn(params: Any, fake: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        logits = discriminate(params, real, real_key), discriminate(params, fake, fake_key)
        losses = bce(logits[0], 1.0 - label_smoothing) + bce(logits[1], 0.0)
        return losses.mean() / 2, logits

    fake, generator_vjp, updates = jax.vjp(generate, generator.params, has_aux=True)
    (loss, (real_logits, fake_logits)), (grads, image_grads) = jax.value_and_grad(
        loss_fn, argnums=(0, 1), has_aux=True
    )(discriminator.params, fake)
    if gradient_penalty:
        grads = add_gradient_penalty(
            grads, discriminator, partial(discriminate, key=real_key), real, gradient_penalty
        )
    # The factor 2 undoes the 1/2 with which the discriminator's loss weighs the samples.
    (generator_grads,) = generator_vjp(2 * generator_factor(fake_logits) * image_grads)
    state = Adversaries(
        generator=generator.apply_gradients(
            grads=generator_grads, batch_stats=updates["batch_stats"]
        ),
        discriminator=discriminator.apply_gradients(grads=grads),
    )
    return state, {
        "generator_loss": bce(fake_logits, 1.0).mean(),
        "discriminator_loss": loss,
        "real_accuracy": jnp.mean(real_logits > 0),
        "fake_accuracy": jnp.mean(fake_logits < 0),
    }


def labels_of(batch: Batch) -> tuple[jax.Array, ...]:
    """Returns the labels with which both networks are also called; () if the batch has none."""
    return (batch["label"],) if "label" in batch else ()


def generator_factor(logits: jax.Array) -> jax.Array:
    """Returns the ratio of the generator's to the discriminator's loss gradient for each sample.

    It is the ratio -exp(-x) of the derivatives of -log sigmoid(x) and of -log(1 - sigmoid(x)).
    Logits below -80 are clipped, since the factor would soon overflow float32: where the
    discriminator is so certain, the generator learns almost nothing.

    Args:
      logits: the discriminator's logits of the samples, float32 (batch,).

    Returns:
      float32 (batch, 1, 1, 1).
    """
    return -jnp.exp(-logits.clip(min=-LARGEST_LOGIT)).reshape(-1, 1, 1, 1)


def add_gradient_penalty(
    grads: Any,
    discriminator: TrainState,
    discriminate: Callable[[Any, jax.Array], jax.Array],
    real: jax.Array,
    weight: float,
) -> Any:
    """Adds the gradients of the R1 penalty (Mescheder et al. 2018, section 4.1).

    The penalty is half the squared norm of the logit's gradient with respect to a real image. It
    needs second derivatives, so it is applied only in every eighth step, eight times as strongly
    (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", section 3.1).

    Args:
      grads: gradients of the discriminator's loss.
      discriminator: its state before the step.
      discriminate: ``discriminate(params, images)`` returns logits (batch,).
      real: images (batch, height, width, channels) in [-1, 1].
      weight: weight of the penalty.

    Returns:
      ``grads``, to which the gradients of the penalty are added in the steps that apply it.
    """

    def penalty(params: Any) -> jax.Array:
        gradients = jax.grad(lambda images: discriminate(params, images).sum())(real)
        squared_norms = jnp.square(gradients).sum(axis=(1, 2, 3))
        return weight / 2 * PENALTY_INTERVAL * squared_norms.mean()

    return lax.cond(
        discriminator.step % PENALTY_INTERVAL == 0,
        lambda: jax.tree.map(jnp.add, grads, jax.grad(penalty)(discriminator.params)),
        lambda: grads,
    )


def to_signed(images: jax.Array) -> jax.Array:
    """Maps uint8 pixels to float32 in [-1, 1]; any shape."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def to_pixels(images: jax.Array) -> jax.Array:
    """Maps float32 in [-1, 1] to uint8 pixels, rounded; any shape."""
    return jnp.round((images + 1.0) * 127.5).astype(jnp.uint8)
