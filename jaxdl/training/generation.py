"""From a configuration, two models and data to a trained generator and its scores."""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh

from jaxdl.console import note
from jaxdl.data import Dataset
from jaxdl.runs import Run
from jaxdl.runs.sample_figures import sample_grid
from jaxdl.training.adversarial import Adversaries, create_adversaries, to_pixels, train_both
from jaxdl.training.config import TrainingConfig, configure_optimizer
from jaxdl.training.judge import Judge, Judged, class_shares, compare, has_collapsed
from jaxdl.training.loop import fit
from jaxdl.training.mesh import fetch, make_mesh
from jaxdl.training.plan import Plan, Trained
from jaxdl.training.report import print_header, summarise
from jaxdl.training.sample_quality import frechet_distance
from jaxdl.training.state import count_parameters
from jaxdl.training.steps import TrainStep, make_predict

Sampler = Callable[[Any, np.ndarray], np.ndarray]

NUM_SHOWN = 64
SEED_OF_SHOWN, SEED_OF_VALIDATION, SEED_OF_TEST = range(3)


def draw_noise(num_samples: int, noise_size: int, seed: int) -> np.ndarray:
    """Standard normal float32 (num_samples, noise_size)."""
    return np.asarray(jax.random.normal(jax.random.key(seed), (num_samples, noise_size)))


def make_sampler(generator: nn.Module, mesh: Mesh | None = None) -> Sampler:
    """``sample(variables, noise)``: uint8 images (samples, height, width, channels).

    Args:
      generator: called with noise.
      mesh: over whose devices the noise is divided; None for one device.
    """

    def apply(variables: Any, batch: dict[str, jax.Array]) -> jax.Array:
        return to_pixels(generator.apply(variables, batch["noise"], train=False))

    predict = make_predict(apply, mesh=mesh)
    return lambda variables, noise: predict(variables, {"noise": noise})


def train_generator(
    run: Run,
    config: TrainingConfig,
    generator: nn.Module,
    discriminator: nn.Module,
    dataset: Dataset,
    judge: Judge,
    *,
    noise_size: int,
    b1: float,
    gradient_penalty: float,
) -> tuple[Trained, dict[str, Any]]:
    """Trains both models, chooses the generator on the validation split, scores it on the test's.

    After each epoch, figures/samples/ gets the samples of the same noise, and a collapse
    that the validation split shows is said on standard error.

    Args:
      run: receives metrics, checkpoints, samples and summary.
      config: all options.
      generator: called as ``generator.apply(variables, noise, train=...)``.
      discriminator: called as ``discriminator.apply(variables, images, train=...)``.
      dataset: each split with "image", uint8 (examples, height, width, channels).
      judge: see `jaxdl.training.judge.make_judge`.
      noise_size: length of a noise vector.
      b1: of Adam.
      gradient_penalty: see `jaxdl.training.adversarial.train_step`.

    Returns:
      The trained generator, and the summary that was written; its scores are those of
      `jaxdl.training.judge.compare` between as many samples and the test split,
      "test_frechet_floor", the distance of as many training examples (the judge has learnt
      from most of them), "test_frechet_ratio" to it, and "class_shares" of the samples.
    """
    started = time.monotonic()
    train_images, test_images = dataset.train["image"], dataset.test["image"]
    steps_per_epoch = len(train_images) // config.batch_size
    mesh = make_mesh(config.mesh)
    state, step, schedule = begin(
        config,
        generator,
        discriminator,
        train_images.shape[1:],
        steps_per_epoch,
        mesh,
        noise_size=noise_size,
        b1=b1,
        gradient_penalty=gradient_penalty,
    )
    parameters = count_parameters((state.generator.params, state.discriminator.params))
    print_header(run, config, dataset, "Generator and Discriminator", parameters)

    num_classes, folder = len(dataset.class_names), run.figures / "samples"
    sample = make_sampler(generator, mesh)
    judged_validation = judge(dataset.validation["image"])

    def measure(variables: Any, real: Judged, seed: int) -> tuple[Judged, dict[str, float]]:
        samples = judge(sample(variables, draw_noise(len(real["class"]), noise_size, seed)))
        return samples, compare(samples, real, num_classes)

    def evaluate(variables: Any) -> dict[str, float]:
        if not len(judged_validation["class"]):
            return {}
        return measure(variables, judged_validation, SEED_OF_VALIDATION)[1]

    def after_epoch(epoch: int, variables: Any, quality: dict[str, float]) -> None:
        if quality and has_collapsed(quality, num_classes):
            share = quality["smallest_class_share"]
            note(f"The generator has collapsed: it gives {share:.1%} of one of the classes.")
        shown = sample(variables, draw_noise(NUM_SHOWN, noise_size, SEED_OF_SHOWN))
        folder.mkdir(parents=True, exist_ok=True)
        sample_grid(shown, folder / f"epoch-{epoch:04}.png")

    plan = Plan(
        batch_size=config.batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=config.epochs,
        seed=config.seed,
        learning_rate=schedule,
        evaluate=evaluate,
        score=lambda quality: -quality["frechet_distance"],
        mesh=mesh,
        patience=config.patience,
        after_epoch=after_epoch,
    )
    trained = fit(run, state, step, {"image": train_images}, plan)

    judged_test = judge(test_images)
    judged_train = judge(train_images[: len(test_images)])
    samples, quality = measure(trained.variables, judged_test, SEED_OF_TEST)
    floor = frechet_distance(judged_test["features"], judged_train["features"])
    scores = {
        **{f"test_{name}": value for name, value in quality.items()},
        "test_frechet_floor": floor,
        "test_frechet_ratio": quality["frechet_distance"] / floor,
        "class_shares": class_shares(samples, num_classes).tolist(),
    }
    seconds = time.monotonic() - started
    summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
    run.write_summary(summary)
    return dataclasses.replace(trained, variables=fetch(trained.variables, mesh)), summary


def begin(
    config: TrainingConfig,
    generator: nn.Module,
    discriminator: nn.Module,
    image_shape: tuple[int, ...],
    steps_per_epoch: int,
    mesh: Mesh,
    *,
    noise_size: int,
    b1: float,
    gradient_penalty: float,
) -> tuple[Adversaries, TrainStep, optax.Schedule]:
    """The fresh train states, the train step and the learning rate by step that the options name.

    Args:
      config: all options.
      generator: as in `train_generator`.
      discriminator: likewise.
      image_shape: (height, width, channels).
      steps_per_epoch: of one pass over the training split.
      mesh: over whose devices to lay the states out.
      noise_size: as in `train_generator`.
      b1: likewise.
      gradient_penalty: likewise.
    """
    optimizer, schedule = configure_optimizer(config, steps_per_epoch, b1)
    options = (optimizer, noise_size, image_shape, config.seed, config.ema_decay, mesh)
    state = create_adversaries(generator, discriminator, *options)
    step = partial(
        train_both,
        noise_size=noise_size,
        label_smoothing=config.label_smoothing,
        gradient_penalty=gradient_penalty,
    )
    return state, step, schedule
