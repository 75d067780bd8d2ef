"""The train step of a GAN against one that runs every model again for each loss."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_gan import LATENT_DIM, SmallDiscriminator, SmallGenerator
from small_training import assert_bitwise_identical

from jaxdl.errors import UserError
from jaxdl.training import loop
from jaxdl.training.adversarial import (
    Adversaries,
    create_adversaries,
    generator_factor,
    to_pixels,
    to_signed,
    train_step,
)
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.mesh import make_mesh
from jaxdl.training.plan import Plan

EXAMPLES, BATCH_SIZE = 16, 4
STEPS_PER_EPOCH = EXAMPLES // BATCH_SIZE

EXAMPLE = {"image": jax.ShapeDtypeStruct((1, 2, 2, 1), np.uint8)}

step = partial(train_step, latent_dim=LATENT_DIM)


def new_adversaries(optimizer=optax.adam(0.01, b1=0.5), example=EXAMPLE):  # noqa: B008
    models = SmallGenerator(), SmallDiscriminator()
    return create_adversaries(*models, optimizer, LATENT_DIM, example, seed=0, ema_decay=0.9)


def new_images(count=EXAMPLES):
    return np.random.default_rng(0).integers(0, 256, (count, 2, 2, 1), np.uint8)


def separate_updates(generator, discriminator, images, noise, labels, smoothing):
    """Both states after two updates, each with its own forward passes."""

    def generate(params):
        variables = {"params": params, "batch_stats": generator.batch_stats}
        return generator.apply_fn(variables, noise, *labels, train=True, mutable=["batch_stats"])

    def binary_cross_entropy(logits, target):
        probability = jax.nn.sigmoid(logits)
        return -jnp.mean(target * jnp.log(probability) + (1 - target) * jnp.log1p(-probability))

    def discriminate(params, images):
        return discriminator.apply_fn({"params": params}, images, *labels, train=True)

    def discriminator_loss(params):
        real, fake = (discriminate(params, x) for x in (images, generate(generator.params)[0]))
        return (binary_cross_entropy(real, 1 - smoothing) + binary_cross_entropy(fake, 0.0)) / 2

    def generator_loss(params):
        images, updates = generate(params)
        return binary_cross_entropy(discriminate(discriminator.params, images), 1.0), updates

    discriminator_grads = jax.grad(discriminator_loss)(discriminator.params)
    grads, updates = jax.grad(generator_loss, has_aux=True)(generator.params)
    return Adversaries(
        generator=generator.apply_gradients(grads=grads, **updates),
        discriminator=discriminator.apply_gradients(grads=discriminator_grads),
    )


@pytest.mark.parametrize(
    ("smoothing", "labels"),
    [(0.0, ()), (0.1, ()), (0.0, (np.array([0, 1, 1, 0], np.int32),))],
    ids=["plain", "smoothed", "conditional"],
)
def test_one_pass_through_both_models_gives_both_updates(smoothing, labels):
    images, key = new_images(BATCH_SIZE), jax.random.key(5)
    batch = {"image": images} | ({"label": labels[0]} if labels else {})
    state = new_adversaries(optax.sgd(0.1), {name: array[:1] for name, array in batch.items()})
    after, metrics = jax.jit(partial(step, label_smoothing=smoothing))(state, batch, key)
    noise = jax.random.normal(jax.random.split(key, 3)[0], (BATCH_SIZE, LATENT_DIM))
    expected = jax.jit(separate_updates, static_argnums=5)(
        state.generator, state.discriminator, to_signed(images), noise, labels, smoothing
    )
    for ours, reference in (
        (after.generator, expected.generator),
        (after.discriminator, expected.discriminator),
    ):
        for name in ("params", "batch_stats", "ema_variables"):
            ours_leaves, leaves = (jax.tree.leaves(getattr(s, name)) for s in (ours, reference))
            for leaf, twin in zip(ours_leaves, leaves, strict=True):
                np.testing.assert_allclose(leaf, twin, rtol=1e-4, atol=1e-5)
    assert set(metrics) == {
        *("generator_loss", "discriminator_loss", "real_accuracy", "fake_accuracy")
    }


def test_the_generator_factor_is_the_ratio_of_the_derivatives_of_the_losses():
    logits = jnp.linspace(-60, 15, 16)

    def saturating(logit):  # the discriminator's loss on a sample
        return jax.nn.softplus(logit)

    def non_saturating(logit):
        return jax.nn.softplus(-logit)

    expected = jax.vmap(jax.grad(non_saturating))(logits) / jax.vmap(jax.grad(saturating))(logits)
    factors = generator_factor(logits)
    assert factors.shape == (16, 1, 1, 1)
    np.testing.assert_allclose(factors.ravel(), expected, rtol=1e-3)
    assert np.isfinite(generator_factor(jnp.array([-1e6, 1e6]))).all()


def test_the_penalty_is_added_in_every_eighth_step_and_eightfold():
    state, images = new_adversaries(optax.sgd(0.1)), new_images(BATCH_SIZE)
    real = to_signed(images)

    def penalty(params):
        """Half the squared gradient of each logit, of one example after the other."""

        def logit(image):
            return state.discriminator.apply_fn({"params": params}, image[None], train=True)[0]

        return jnp.mean(jnp.array([(jax.grad(logit)(image) ** 2).sum() / 2 for image in real]))

    @jax.jit
    def compare(number):
        """The parameters of the discriminator after a step without and with penalty."""
        discriminator = state.discriminator.replace(step=number)
        arguments = (state.replace(discriminator=discriminator), {"image": images})
        after = [
            step(*arguments, jax.random.key(0), gradient_penalty=weight)[0] for weight in (0.0, 0.3)
        ]
        gradients = jax.grad(penalty)(state.discriminator.params)
        return *(one.discriminator.params for one in after), gradients

    for number, strength in ((0, 8.0), (8, 8.0), (7, 0.0)):
        trees = compare(jnp.int32(number))
        for one, other, gradient in zip(*map(jax.tree.leaves, trees), strict=True):
            np.testing.assert_allclose(one - other, 0.1 * strength * 0.3 * gradient, atol=1e-5)


def test_the_gradients_are_finite_when_the_discriminator_is_certain():
    state, images = new_adversaries(optax.sgd(0.1)), new_images(BATCH_SIZE)
    one_step, accuracies = jax.jit(step), []
    for scale in (1e4, -1e4):  # with one of them, fake images get very negative logits
        params = jax.tree.map(lambda leaf, scale=scale: scale * leaf, state.discriminator.params)
        certain = state.replace(discriminator=state.discriminator.replace(params=params))
        after, metrics = one_step(certain, {"image": images}, jax.random.key(0))
        accuracies.append(float(metrics["fake_accuracy"]))
        for leaf in jax.tree.leaves((after.generator.params, after.discriminator.params)):
            assert np.isfinite(leaf).all()
    assert max(accuracies) > 0


def test_the_generator_alone_has_a_moving_average():
    optimizer = optax.adam(0.1)
    models = (SmallGenerator(), SmallDiscriminator())
    states = [
        create_adversaries(*models, optimizer, LATENT_DIM, EXAMPLE, seed, ema_decay=0.9)
        for seed in (0, 0, 1)
    ]
    assert states[0].discriminator.ema_variables is None
    assert_bitwise_identical(states[0].variables, states[0].generator.ema_variables)
    assert_bitwise_identical(states[0].generator.params, states[1].generator.params)
    kernels = [state.generator.params["Dense_0"]["kernel"] for state in states]
    assert (kernels[0] != kernels[2]).all()


def test_equal_layers_of_the_two_models_have_different_initial_parameters():
    class Both(SmallDiscriminator):
        """As a generator and as a discriminator."""

    state = create_adversaries(Both(), Both(), optax.sgd(0.1), 4, EXAMPLE, seed=0)
    for layer, leaves in state.generator.params.items():
        assert (leaves["kernel"] != state.discriminator.params[layer]["kernel"]).all()


def run_training(directory, after_epoch=lambda *_: None):
    """Trains in a directory, from its newest checkpoint if there is one."""
    plan = Plan(
        batch_size=BATCH_SIZE,
        epochs=4,
        learning_rate=lambda step: 0.01,
        criterion=lambda metrics: 0.0,
        after_epoch=after_epoch,
    )
    return loop.fit(new_adversaries(), step, {"image": new_images()}, plan, directory)


def last_checkpoint(directory):
    """Both train states of the last checkpoint."""
    state, mesh = new_adversaries(), make_mesh()
    plan = Plan(epochs=4, batch_size=BATCH_SIZE, mesh=mesh)
    epoch = CompiledEpoch(step, state, {"image": new_images()}, BATCH_SIZE, plan.seed, mesh)
    with CheckpointStore(directory) as store:
        number, training = loop._init_or_restore(store, state, epoch, plan)
    assert number == 4 * STEPS_PER_EPOCH
    return training.state


@pytest.mark.slow
def test_a_killed_and_resumed_training_has_bitwise_identical_states(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(loop, "SHARE_OF_CHECKPOINTS", math.inf)
    epochs = []

    def record_epoch(epoch, variables, validation):
        epochs.append(epoch)

    def die_after_the_second(epoch, variables, validation):
        if epoch == 3:
            raise UserError("killed")

    run_training(tmp_path / "whole", record_epoch)
    assert epochs == [1, 2, 3, 4]
    with pytest.raises(UserError, match="killed"):
        run_training(tmp_path / "killed", die_after_the_second)
    run_training(tmp_path / "killed")
    whole, resumed = (last_checkpoint(tmp_path / name) for name in ("whole", "killed"))
    for one, other in (
        (whole.generator, resumed.generator),
        (whole.discriminator, resumed.discriminator),
    ):
        for name in ("step", "params", "opt_state", "batch_stats", "ema_variables"):
            assert_bitwise_identical(getattr(one, name), getattr(other, name))


def test_pixels_that_are_mapped_to_signed_values_and_back_are_the_same():
    pixels = np.arange(256, dtype=np.uint8)
    signed = to_signed(pixels)
    assert float(signed.min()) == -1
    assert float(signed.max()) == 1
    np.testing.assert_array_equal(to_pixels(signed), pixels)
