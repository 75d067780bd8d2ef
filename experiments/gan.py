"""A network that writes digits, trained against one that tells them from real ones: module four.

    python -m experiments.gan

The models are the tutorial's DCGAN; its recipe is ``--preset seed``, and ours another: the
discriminator's gradient is penalised instead of its units dropped, batches are small, the
learning rate falls. The generator sees no digit, only what the discriminator thinks of its
own. What comes of it is measured with the eyes of a classifier (experiments/cnn.py with
--preset quick, trained once for a data set): the Frechet distance between samples and test
images, beside the distance between training and test images, its floor. Expect a distance
of 21 times the floor and each digit in 7 to 13 % of the samples (three seeds,
experiments/results/gan-mnist.json) after about a quarter of an hour on two CPU cores that
do nothing else. Look at figures/training.gif of a run.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from experiments import cnn
from jaxdl.console import note
from jaxdl.data import Dataset, load
from jaxdl.errors import UsageError
from jaxdl.models.gan import Discriminator, Generator
from jaxdl.runs import Run, sample_figures
from jaxdl.runs.command_line import from_options, run_command
from jaxdl.training.checkpoints import load_model
from jaxdl.training.config import TrainingConfig, require
from jaxdl.training.generation import (
    NUM_SHOWN,
    SEED_OF_SHOWN,
    draw_noise,
    make_sampler,
    train_generator,
)
from jaxdl.training.judge import Judge, make_judge
from jaxdl.training.launch import launch
from jaxdl.training.optimizers import OptimizerName
from jaxdl.training.processes import text_of_first
from jaxdl.training.report import open_run
from jaxdl.training.sample_quality import NEIGHBOURS, nearest

INTERPOLATION_STEPS = 8
NUM_NEIGHBOURS_SHOWN = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(TrainingConfig):
    """Options of a run."""

    dataset: Literal["mnist", "fashion_mnist"] = "mnist"
    """What to imitate."""
    judge: Path | None = None
    """A run of experiments.cnn that measures the samples; none for one of its own."""
    noise_size: int = 100
    """Length of the vectors that the generator makes images of."""
    b1: float = 0.5
    """Share of the average of past gradients that a step of Adam keeps."""
    gradient_penalty: float = 0.5
    """How strongly the discriminator is kept from being steep around real images (R1)."""
    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 1e-3
    optimizer: OptimizerName = "adam"
    warmup_fraction: float = 0.05
    label_smoothing: float = 0.0
    """How much less than 1 the discriminator is to say of real images."""
    patience: int = 0
    """Stop when the Frechet distance stays above its best for so many epochs; 0 for never."""
    ema_decay: float = 0.999
    dropout_rate: float = 0.0
    validation_fraction: float = 0.1

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        require(self, "noise_size", self.noise_size >= 1, "at least 1")
        require(self, "b1", 0 <= self.b1 < 1, "at least 0 and below 1")
        require(self, "gradient_penalty", self.gradient_penalty >= 0, "at least 0")


PRESETS = {
    "default": Config(),
    "seed": Config(
        preset="seed",
        b1=0.9,
        gradient_penalty=0.0,
        epochs=10,
        batch_size=64,
        learning_rate=2e-4,
        schedule="constant",
        ema_decay=0.0,
        dropout_rate=0.3,
    ),
    "quick": Config(preset="quick", epochs=2),
}


def build_generator(config: Config) -> Generator:
    """The generator that the options name."""
    return Generator(dtype=config.dtype)


def train(config: Config) -> tuple[Run, dict[str, Any]]:
    """Judge, data, models, training, scores and figures of one run."""
    judge_run = open_judge(config)
    judge = load_judge(judge_run)
    config = dataclasses.replace(config, judge=judge_run.directory.absolute())
    dataset = load(config.dataset, config.data_dir, config.validation_fraction)
    num_validation = len(dataset.validation["label"])
    enough = num_validation == 0 or num_validation > NEIGHBOURS
    require(config, "validation_fraction", enough, f"0 or more than {NEIGHBOURS} images")
    run = open_run("gan", config, dataset)
    trained, summary = train_generator(
        run,
        config,
        build_generator(config),
        Discriminator(config.dropout_rate, config.dtype),
        dataset,
        judge,
        noise_size=config.noise_size,
        b1=config.b1,
        gradient_penalty=config.gradient_penalty,
    )
    draw_figures(run, config, dataset, trained.variables, summary)
    return run, summary


def open_judge(config: Config) -> Run:
    """The run whose network measures samples: the one that was named, or one made for it.

    Raises:
      UsageError: the run that was named is gone, of another experiment, or of other data.
    """
    if config.judge is None:
        return find_judge(config)
    if config.resume and not config.judge.is_dir():
        raise UsageError(f"--judge {config.judge} is gone: put it back, or start a new run.")
    run = Run.open(config.judge)
    fits = run.experiment == "cnn" and run.options["architecture"] == "cnn"
    if not fits or run.options["dataset"] != config.dataset:
        raise UsageError(
            f"--judge must be a run of experiments.cnn on {config.dataset}, architecture cnn."
        )
    return run


def find_judge(config: Config) -> Run:
    """The judge of this data set that an earlier run has trained, or else a new one."""
    runs_dir = config.runs_dir / "judges" / config.dataset
    finished = sorted(runs_dir.glob("cnn/*/summary.json"))
    found = text_of_first(str(finished[0].parent) if finished else "")
    if found:
        return Run.open(Path(found))
    note(f"Training a classifier of {config.dataset} once, to measure samples with:")
    quick = cnn.PRESETS["quick"]
    judge_config = dataclasses.replace(
        quick,
        dataset=config.dataset,
        data_dir=config.data_dir,
        runs_dir=runs_dir,
        mesh=config.mesh,
        batch_size=math.lcm(quick.batch_size, jax.device_count()),
    )
    return cnn.train(judge_config)[0]


def load_judge(run: Run) -> Judge:
    """The trained network of a run as a judge."""
    model = cnn.build_model(from_options(cnn.Config, run.options), len(run.class_names))
    return make_judge(model, load_model(run.checkpoints))


def draw_figures(
    run: Run, config: Config, dataset: Dataset, variables: Any, summary: dict[str, Any]
) -> None:
    """Samples, their history, what lies between them, what lies next to them, their classes."""
    sampler = make_sampler(build_generator(config))
    samples = sampler(variables, draw_noise(NUM_SHOWN, config.noise_size, SEED_OF_SHOWN))
    sample_figures.sample_grid(samples, run.figures / "samples.png")

    frames = sorted((run.figures / "samples").glob("*.png"))
    if frames:  # none in the copy of a run without its figures
        sample_figures.animation(frames, run.figures / "training.gif")

    between = sampler(variables, interpolate(draw_noise(16, config.noise_size, SEED_OF_SHOWN)))
    sample_figures.sample_grid(between, run.figures / "interpolation.png", INTERPOLATION_STEPS)

    shown, images = samples[:NUM_NEIGHBOURS_SHOWN], dataset.train["image"]
    flat = [array.reshape(len(array), -1).astype(np.float32) / 255 for array in (shown, images)]
    closest = images[nearest(*flat)]
    sample_figures.neighbours(shown, closest, run.figures / "neighbours.png")

    shares, names = summary["class_shares"], dataset.class_names
    sample_figures.class_shares(shares, names, run.figures / "classes.png")
    floor = summary["test_frechet_floor"]
    sample_figures.adversarial_curves(
        run.read_metrics(), floor, run.figures / "learning_curves.png"
    )


def interpolate(noise: np.ndarray) -> np.ndarray:
    """From each first vector of a pair to the second, on an arc: what lies between is as long.

    Args:
      noise: float (2 * pairs, size).

    Returns:
      float (pairs * INTERPOLATION_STEPS, size).
    """
    start, end = noise[::2, None], noise[1::2, None]
    angle = np.linspace(0, np.pi / 2, INTERPOLATION_STEPS, dtype=np.float32)[:, None]
    return (np.cos(angle) * start + np.sin(angle) * end).reshape(-1, noise.shape[1])


def draw_samples(run: Run, num_samples: int, seed: int, path: Path) -> None:
    """A picture of samples of a trained generator."""
    config = from_options(Config, run.options)
    sampler = make_sampler(build_generator(config))
    noise = draw_noise(num_samples, config.noise_size, seed)
    columns = math.ceil(num_samples**0.5)
    sample_figures.sample_grid(sampler(load_model(run.checkpoints), noise), path, columns)


if __name__ == "__main__":
    run_command(lambda: launch("gan", PRESETS, train, description=__doc__))
