"""The tutorial's GAN in Keras on TensorFlow, whose samples are scored as ours are.

    python -m experiments.benchmark.keras_gan
    python -m experiments.report runs/benchmark/gan-keras.json --name gan-keras-mnist

This is what a reader of the tutorial gets: ten epochs on all training images, batches of 64, Adam
at 2e-4 for both networks, and two passes through them in each step. The feature extractor is that
of experiments.gan. A grid of the samples of the first seed is written beside the result, and with
``--beside RUN`` gan-keras-beside.png, in which the samples of a run of experiments.gan stand beside
them.
"""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from experiments import gan
from experiments.benchmark.keras_models import discriminator, generator
from experiments.benchmark.keras_peer import count_parameters
from experiments.benchmark.workloads import NOISE_SIZE
from jaxdl.console import note, progress
from jaxdl.data import DEFAULT_DATA_DIR, Dataset
from jaxdl.files import write_json
from jaxdl.runs import Run
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.environment import describe_environment
from jaxdl.runs.generator_experiment import score
from jaxdl.runs.inputs import load_images
from jaxdl.runs.options import with_changes
from jaxdl.runs.sample_figures import sample_grid, side_by_side
from jaxdl.runs.sampling import COLUMNS
from jaxdl.runs.seeds import average
from jaxdl.training.adversarial import to_pixels, to_signed
from jaxdl.training.feature_extractor import FeatureExtractor
from jaxdl.training.optimization import require, require_positive

EPOCHS, BATCH_SIZE, LEARNING_RATE = 10, 64, 2e-4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to train, and where."""

    seeds: int = 2
    """Number of trainings."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory in which data sets are kept."""
    runs_dir: Path = Path("runs")
    """Directory of the runs of experiments.gan, whose feature extractor is used."""
    beside: Path | None = None
    """Run of experiments.gan whose samples are shown beside these."""
    output: Path = Path("runs/benchmark/gan-keras.json")
    """File to write."""

    def __post_init__(self) -> None:
        require_positive(self, "seeds")
        named = self.output.suffix != ".png"
        require(self, "output", named, "a file that does not end in .png, as the grid does")
        fits = self.beside is None or shows_digits(Run.open(self.beside))
        require(self, "beside", fits, "a run of experiments.gan on mnist, with figures/samples.png")


def shows_digits(run: Run) -> bool:
    """Whether a run has a grid of generated digits."""
    is_of_digits = (run.experiment, run.options.get("dataset")) == ("gan", "mnist")
    return is_of_digits and (run.figures / "samples.png").is_file()


class TutorialGAN(keras.Model):
    """Updates the discriminator, and then the generator after new passes through both.

    The losses are the tutorial's; they are computed from logits instead of probabilities.
    """

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = generator(), discriminator()
        self.loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
        self.generator_optimizer = keras.optimizers.Adam(LEARNING_RATE)
        self.discriminator_optimizer = keras.optimizers.Adam(LEARNING_RATE)

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Makes one step of ``fit``, on images (batch, 28, 28, 1) in [-1, 1]."""
        noise = tf.random.normal([tf.shape(images)[0], NOISE_SIZE])
        with tf.GradientTape() as tape:
            real = self.discriminator(images, training=True)
            fake = self.discriminator(self.generator(noise, training=True), training=True)
            loss = self.loss_of(tf.ones_like(real), real) + self.loss_of(tf.zeros_like(fake), fake)
            discriminator_loss = loss / 2
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(discriminator_loss, weights), weights)
        with tf.GradientTape() as tape:
            fake = self.discriminator(self.generator(noise, training=True), training=True)
            generator_loss = self.loss_of(tf.ones_like(fake), fake)
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(generator_loss, weights), weights)
        return {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}


def train_and_score(
    seed: int, dataset: Dataset, extractor: FeatureExtractor
) -> tuple[dict[str, Any], np.ndarray]:
    """Trains the tutorial's GAN once; returns its summary, and as many samples as test images."""
    started = time.monotonic()
    keras.utils.set_random_seed(seed)
    images = np.concatenate([dataset.train["image"], dataset.validation["image"]])
    network = TutorialGAN()
    network.compile()
    with progress(f"seed {seed}", EPOCHS) as update:
        show = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: update(
                epoch + 1, ", ".join(f"{name} {value:.3f}" for name, value in logs.items())
            )
        )
        inputs = np.asarray(to_signed(images))
        network.fit(inputs, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0, callbacks=[show])
    noise = np.random.default_rng(seed).normal(size=(len(dataset.test["label"]), NOISE_SIZE))
    samples = np.asarray(to_pixels(network.generator.predict(noise, batch_size=500, verbose=0)))
    networks = (network.generator, network.discriminator)
    summary = {
        "experiment": "gan",
        "dataset": dataset.name,
        "seed": seed,
        "parameters": sum(map(count_parameters, networks)),
        **score(samples, extractor, dataset),
        "seconds_total": time.monotonic() - started,
        **describe_environment(),
        "keras_version": keras.__version__,
        "tensorflow_version": tf.__version__,
        "options": {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "learning_rate": LEARNING_RATE},
    }
    return summary, samples


def main() -> None:
    """Reads the command line, trains, and writes the result and a grid of samples."""
    options = parse_dataclass(Options, "experiments.benchmark.keras_gan", description=__doc__)
    changes = {"data_dir": options.data_dir, "runs_dir": options.runs_dir}
    config = with_changes(gan.Config(), changes)
    examples = load_images(config)
    extractor, _ = gan.find_or_train_feature_extractor(config, examples)
    grid = options.output.with_suffix(".png")
    grid.parent.mkdir(parents=True, exist_ok=True)
    summaries = []
    for seed in range(options.seeds):
        summary, samples = train_and_score(seed, examples.dataset, extractor)
        summaries.append(summary)
        if seed == 0:
            sample_grid(samples[: COLUMNS**2], grid)
    write_json(options.output, average(summaries))
    if options.beside:
        run = Run.open(options.beside)
        ours = "experiments.gan" + (
            ", a class in each column" if run.options["conditional"] else ""
        )
        grids = {"the tutorial's recipe in Keras": grid, ours: run.figures / "samples.png"}
        side_by_side(grids, options.output.with_name(f"{grid.stem}-beside.png"))
    note(f"The result is in {options.output}.")


if __name__ == "__main__":
    run_command(main)
