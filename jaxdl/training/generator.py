"""Trains a generator against a discriminator on images, and draws its samples."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh

from jaxdl.randomness import Purpose, key_for
from jaxdl.training.adversarial import (
    Adversaries,
    create_adversaries,
    labels_of,
    to_pixels,
    train_step,
)
from jaxdl.training.epoch import TrainStep, example_shapes
from jaxdl.training.loop import fit
from jaxdl.training.mesh import make_mesh
from jaxdl.training.metrics_log import MetricsLog
from jaxdl.training.optimization import (
    Optimization,
    configure_optimizer,
    require,
    require_fractions,
    require_positive,
)
from jaxdl.training.plan import Plan, Trained, require_trainable
from jaxdl.training.precision import Precision, with_dtype, with_products
from jaxdl.training.prediction import make_predict

Arrays = dict[str, np.ndarray]
Sampler = Callable[[Any, Arrays], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adversarial:
    """How generator and discriminator are trained against each other."""

    latent_dim: int = 100
    """Length of the noise vectors that the generator turns into images."""
    b1: float = 0.5
    """Decay of Adam's average of past gradients."""
    gradient_penalty: float = 0.5
    """Weight of the R1 penalty on the discriminator's gradient at real images; 0 for none."""
    label_smoothing: float = 0.0
    """How far below 1 the discriminator's target for real images is."""

    def __post_init__(self) -> None:
        require_positive(self, "latent_dim")
        require_fractions(self, "b1", "label_smoothing")
        require(self, "gradient_penalty", self.gradient_penalty >= 0, "at least 0")


def train_generator(
    generator: nn.Module,
    discriminator: nn.Module,
    split: Arrays,
    options: Optimization,
    adversarial: Adversarial,
    *,
    evaluate: Callable[[Any], dict[str, float]] = lambda variables: {},
    after_epoch: Callable[[int, Any, dict[str, float]], None] = lambda *_: None,
    seed: int = 0,
    mesh: Mesh | None = None,
    checkpoints: Path | None = None,
    log: MetricsLog | None = None,
) -> Trained:
    """Trains both models, and keeps the generator of the epoch with the least Frechet distance.

    Args:
      generator: called as ``generator.apply(variables, noise, train=...)``.
      discriminator: called as ``discriminator.apply(variables, images, train=...)``; it must not
        have BatchNorm, since it looks at each image by itself.
      split: "image", uint8 (examples, height, width, channels). If there is also "label", int32
        (examples,), both are called with labels as well, after noise or images.
      options: options of the optimization; their ``precision`` sets the ``dtype`` of the models.
      adversarial: how the two are trained against each other.
      evaluate: ``evaluate(variables)`` returns metrics of a generator, "frechet_distance" among
        them; if it returns {}, the generator of the last epoch is kept.
      after_epoch: see `jaxdl.training.plan.Plan`.
      seed: determines initial parameters, order of the examples, noise and the discriminator's
        dropout; the generator has none.
      mesh: the devices over which batches and states are sharded; None for all devices.
      checkpoints: directory of checkpoints, from which an earlier training is resumed.
      log: receives the metrics.

    Raises:
      UsageError: see `jaxdl.training.plan.require_trainable`.
      UserError: the discriminator has BatchNorm, or a model cannot compute in the precision of
        the options; see also `fit`.
    """
    mesh = mesh or make_mesh()
    require_trainable(options, len(split["image"]), len(split["image"]), mesh)
    generator, discriminator = (
        with_dtype(model, options.precision) for model in (generator, discriminator)
    )
    steps_per_epoch = len(split["image"]) // options.batch_size
    example = example_shapes(split, 1)
    state, step, schedule = init_generator(
        generator, discriminator, example, options, adversarial, steps_per_epoch, seed, mesh
    )
    plan = Plan(
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=seed,
        evaluate=evaluate,
        criterion=lambda quality: -quality["frechet_distance"],
        patience=options.patience,
        after_epoch=after_epoch,
        learning_rate=schedule,
        mesh=mesh,
    )
    return fit(state, step, split, plan, checkpoints, log)


def init_generator(
    generator: nn.Module,
    discriminator: nn.Module,
    example: dict[str, jax.ShapeDtypeStruct],
    options: Optimization,
    adversarial: Adversarial,
    steps_per_epoch: int,
    seed: int,
    mesh: Mesh,
) -> tuple[Adversaries, TrainStep, optax.Schedule]:
    """Builds the initial train states, the train step and the learning-rate schedule.

    The arguments are as in `train_generator`; ``example`` has the shapes of one example, (1, ...),
    and ``steps_per_epoch`` is the number of steps in a pass over the split.
    """
    optimizer, schedule = configure_optimizer(options, steps_per_epoch, adversarial.b1)
    state = create_adversaries(
        generator,
        discriminator,
        optimizer,
        adversarial.latent_dim,
        example,
        seed,
        options.ema_decay,
        mesh,
    )
    step = partial(
        train_step,
        latent_dim=adversarial.latent_dim,
        label_smoothing=adversarial.label_smoothing,
        gradient_penalty=adversarial.gradient_penalty,
    )
    return state, with_products(step, options.precision), schedule


def draw_noise(num_samples: int, latent_dim: int, seed: int) -> np.ndarray:
    """Draws standard normal noise, float32 (num_samples, latent_dim)."""
    return np.asarray(jax.random.normal(key_for(Purpose.SAMPLES, seed), (num_samples, latent_dim)))


def draw_classes(num_samples: int, labels: np.ndarray, seed: int) -> np.ndarray:
    """Draws classes with the frequencies that they have in ``labels``, int32 (num_samples,)."""
    return np.random.default_rng(seed).choice(labels, num_samples).astype(np.int32)


def make_sampler(
    generator: nn.Module, mesh: Mesh | None = None, precision: Precision = "float32"
) -> Sampler:
    """Compiles ``sample(variables, inputs)``, which generates images.

    They are uint8 (samples, height, width, channels). The inputs are "noise", float32
    (samples, latent_dim), and perhaps "label", int32 (samples,).

    Args:
      generator: called with noise, and with labels if the inputs have any.
      mesh: the devices over which the inputs are sharded; None for one device.
      precision: precision of the products, see `with_products`.
    """
    return make_predict(samples_of(generator, precision), mesh=mesh)


def samples_of(
    generator: nn.Module, precision: Precision = "float32"
) -> Callable[[Any, dict[str, jax.Array]], jax.Array]:
    """Returns ``apply(variables, inputs)``, the function that `make_sampler` compiles."""

    def apply(variables: Any, inputs: dict[str, jax.Array]) -> jax.Array:
        images = generator.apply(variables, inputs["noise"], *labels_of(inputs), train=False)
        return to_pixels(images)

    return with_products(apply, precision)
