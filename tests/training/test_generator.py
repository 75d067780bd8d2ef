import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_gan import LATENT_DIM, NUM_CLASSES, SmallDiscriminator, SmallGenerator
from small_training import assert_bitwise_identical

from jaxdl.errors import UsageError, UserError
from jaxdl.training.generator import (
    Adversarial,
    draw_classes,
    draw_noise,
    init_generator,
    make_sampler,
    train_generator,
)
from jaxdl.training.mesh import make_mesh
from jaxdl.training.optimization import Optimization
from jaxdl.training.state import create_train_state

OPTIONS = Optimization(epochs=2, batch_size=10, learning_rate=1e-3, ema_decay=0.9)
EXAMPLE = {"image": jax.ShapeDtypeStruct((1, 2, 2, 1), np.uint8)}
ADVERSARIAL = Adversarial(latent_dim=LATENT_DIM, gradient_penalty=0.0)


def train(epochs=2, **arguments):
    images = np.random.default_rng(0).integers(0, 256, (40, 2, 2, 1), np.uint8)
    options = dataclasses.replace(OPTIONS, epochs=epochs, **arguments.pop("changes", {}))
    models = SmallGenerator(), SmallDiscriminator()
    return train_generator(*models, {"image": images}, options, ADVERSARIAL, **arguments)


def distances(*values):
    """An evaluation that gives the epochs certain Frechet distances."""
    remaining = iter(values)
    return lambda variables: {"frechet_distance": next(remaining), "recall": 0.5}


def test_each_epoch_is_evaluated_and_the_generator_with_the_least_distance_is_kept():
    epochs, models = [], []

    def after_epoch(epoch, variables, quality):
        epochs.append((epoch, quality["frechet_distance"]))
        models.append(jax.tree.map(np.array, variables))

    trained = train(3, evaluate=distances(3.0, 1.0, 2.0), after_epoch=after_epoch)
    assert epochs == [(1, 3.0), (2, 1.0), (3, 2.0)]
    records = trained.epoch_history
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert [record["validation_frechet_distance"] for record in records] == [3.0, 1.0, 2.0]
    assert all(record["validation_recall"] == 0.5 for record in records)
    assert trained.best_epoch == 2
    assert_bitwise_identical(trained.variables, models[1])


def test_with_labels_a_class_can_be_asked_for():
    """Class 0 is black and class 1 is white, and after some training so are the samples."""
    labels = np.arange(40, dtype=np.int32) % NUM_CLASSES
    images = np.broadcast_to(255 * labels[:, None, None, None], (40, 2, 2, 1)).astype(np.uint8)
    options = dataclasses.replace(OPTIONS, epochs=40, learning_rate=0.02, ema_decay=0.0)
    models = SmallGenerator(), SmallDiscriminator()
    trained = train_generator(*models, {"image": images, "label": labels}, options, ADVERSARIAL)
    noise = draw_noise(40, LATENT_DIM, seed=1)
    samples = make_sampler(models[0])(trained.variables, {"noise": noise, "label": labels})
    assert samples[labels == 1].mean() - samples[labels == 0].mean() > 100


def test_classes_are_drawn_as_often_as_they_are_among_the_labels():
    drawn = draw_classes(8000, np.array([3, 3, 3, 5]), seed=0)
    assert drawn.dtype == np.int32
    assert set(drawn) == {3, 5}
    assert np.mean(drawn == 3) == pytest.approx(0.75, abs=0.03)
    np.testing.assert_array_equal(drawn, draw_classes(8000, np.array([3, 3, 3, 5]), seed=0))


def test_early_stopping_waits_for_a_lower_distance():
    trained = train(9, evaluate=distances(3.0, 1.0, 2.0, 2.0), changes={"patience": 2})
    assert (trained.best_epoch, trained.epochs) == (2, 4)


def test_without_evaluation_the_last_generator_is_kept():
    trained = train()
    assert not any("validation" in name for record in trained.history for name in record)
    assert trained.best_epoch == 2


@pytest.mark.slow
def test_a_training_is_continued_from_its_checkpoints_bitwise_identically(tmp_path):
    constant = {"schedule": "constant"}
    train(1, checkpoints=tmp_path, changes=constant)
    continued = train(2, checkpoints=tmp_path, changes=constant)
    assert_bitwise_identical(continued.variables, train(2, changes=constant).variables)


def test_the_options_are_those_of_step_and_optimizer():
    adversarial = Adversarial(latent_dim=5, b1=0.2, gradient_penalty=0.3, label_smoothing=0.1)
    models = SmallGenerator(), SmallDiscriminator()
    state, step, schedule = init_generator(
        *models, EXAMPLE, OPTIONS, adversarial, steps_per_epoch=4, seed=0, mesh=make_mesh()
    )
    expected = {"latent_dim": 5, "gradient_penalty": 0.3, "label_smoothing": 0.1}
    assert step.keywords == expected
    assert state.generator.params["Dense_0"]["kernel"].shape == (5, 4)
    assert state.generator.ema_decay == 0.9
    assert schedule(OPTIONS.epochs * 4) == pytest.approx(0, abs=1e-8)
    for one in (state.generator, state.discriminator):
        one = one.apply_gradients(grads=jax.tree.map(jnp.ones_like, one.params))
        for mean in jax.tree.leaves(optax.tree_utils.tree_get(one.opt_state, "mu")):
            np.testing.assert_allclose(mean, 1 - 0.2, rtol=1e-6)


def test_a_discriminator_with_batch_norm_is_a_clear_error():
    class Normalised(nn.Module):
        @nn.compact
        def __call__(self, images, *, train):
            x = nn.BatchNorm(use_running_average=not train)(images.reshape(images.shape[0], -1))
            return nn.Dense(1)(x)[:, 0]

    images = np.zeros((10, 2, 2, 1), np.uint8)
    with pytest.raises(UserError, match=r"^The discriminator has BatchNorm, but .*\.$") as failure:
        train_generator(SmallGenerator(), Normalised(), {"image": images}, OPTIONS, ADVERSARIAL)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("latent_dim", (0, -1)),
        ("b1", (-0.1, 1.0)),
        ("label_smoothing", (-0.1, 1.0)),
        ("gradient_penalty", (-0.1, float("nan"))),
    ],
)
def test_an_impossible_value_is_an_error_that_names_its_option(name, values):
    for value in values:
        option = "--" + name.replace("_", "-")
        with pytest.raises(UsageError, match=rf"^{option} is {value}, but must be .*\.$"):
            Adversarial(**{name: value})


def test_samples_are_pixels_and_the_same_for_the_same_noise():
    noise = draw_noise(7, LATENT_DIM, seed=3)
    assert noise.shape == (7, LATENT_DIM)
    spec = jax.ShapeDtypeStruct((1, LATENT_DIM), np.float32)
    state = create_train_state(SmallGenerator(), optax.sgd(0.1), [spec], 0)
    sample = make_sampler(SmallGenerator())
    images = sample(state.variables, {"noise": noise})
    assert images.shape == (7, 2, 2, 1)
    assert images.dtype == np.uint8
    again = sample(state.variables, {"noise": draw_noise(7, LATENT_DIM, 3)})
    np.testing.assert_array_equal(images, again)
