"""From a configuration and a model to a trained image classifier, its scores and its figures."""

import dataclasses
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import flax.linen as nn
import jax
import numpy as np

from jaxdl.console import console
from jaxdl.data import Dataset
from jaxdl.data.augmentation import normalise, random_affine, random_flip
from jaxdl.errors import UsageError
from jaxdl.runs import Run, figures
from jaxdl.runs.command_line import to_options
from jaxdl.runs.environment import describe_environment
from jaxdl.training.classification import evaluate, train_step
from jaxdl.training.config import TrainingConfig, require
from jaxdl.training.loop import Plan, Trained, fit
from jaxdl.training.optimizers import build_optimizer, learning_rate_schedule
from jaxdl.training.state import count_parameters, create_train_state
from jaxdl.training.steps import make_predict


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageConfig(TrainingConfig):
    """Options of an image classifier."""

    dataset: Literal["mnist", "fashion_mnist"] = "mnist"
    """What to learn."""
    shift: float = 0.0
    """Augmentation: largest random shift, in pixels; 0 for none."""
    rotation: float = 0.0
    """Augmentation: largest random rotation, in degrees; 0 for none."""
    zoom: float = 0.0
    """Augmentation: largest random relative change of size; 0 for none."""
    flip: bool = False
    """Augmentation: mirror half of the images, left to right."""

    def __post_init__(self) -> None:
        """Refuses values that no training can have."""
        super().__post_init__()
        require(self, "shift", self.shift >= 0, "at least 0")
        require(self, "rotation", 0 <= self.rotation < 45, "at least 0 and below 45")
        require(self, "zoom", 0 <= self.zoom < 1, "at least 0 and below 1")


def train_image_classifier(
    experiment: str, config: ImageConfig, model: nn.Module, dataset: Dataset
) -> tuple[Run, Trained, dict[str, Any]]:
    """Trains on the training split, chooses on the validation split, scores on the test split.

    Args:
      experiment: its name, for the directory of the run.
      config: all options.
      model: maps float images (batch, height, width, channels) to logits.
      dataset: uint8 images and int32 labels.

    Returns:
      The run with its figures, the trained model, and the summary that was written.

    Raises:
      UsageError: the batch is larger than the training split.
    """
    started = time.monotonic()
    num_train = len(dataset.train["label"])
    steps_per_epoch = num_train // config.batch_size
    if not steps_per_epoch:
        raise UsageError(
            f"--batch-size is {config.batch_size:,}, but the training split has only "
            f"{num_train:,} examples."
        )
    run = open_run(experiment, config, dataset.class_names)

    schedule = learning_rate_schedule(
        config.schedule,
        config.learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        warmup_fraction=config.warmup_fraction,
    )
    optimizer = build_optimizer(
        config.optimizer, schedule, config.weight_decay, config.gradient_clip
    )
    example = jax.ShapeDtypeStruct((1, *dataset.train["image"].shape[1:]), np.float32)
    state = create_train_state(model, optimizer, example, config.seed, config.ema_decay)
    parameters = count_parameters(state.params)
    print_header(run, config, dataset, type(model).__name__, parameters)

    predict = make_predict(predict_logits(model))

    def validate(variables: Any) -> dict[str, float]:
        images, labels = dataset.validation["image"], dataset.validation["label"]
        return evaluate(predict(variables, images), labels) if len(labels) else {}

    plan = Plan(
        batch_size=config.batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=config.epochs,
        seed=config.seed,
        learning_rate=schedule,
        evaluate=validate,
        score=lambda metrics: metrics["accuracy"],
        patience=config.patience,
    )
    step = partial(train_step, prepare=augmentation(config), label_smoothing=config.label_smoothing)
    trained = fit(run, state, step, dataset.train, plan)

    logits = predict(trained.variables, dataset.test["image"])
    summary = {
        "experiment": experiment,
        "dataset": dataset.name,
        "seed": config.seed,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "steps": trained.steps,
        "parameters": parameters,
        **{f"validation_{k}": v for k, v in validate(trained.variables).items()},
        **{f"test_{k}": v for k, v in evaluate(logits, dataset.test["label"]).items()},
        "seconds_total": time.monotonic() - started + trained.seconds_before,
        "seconds_compile": trained.seconds_compile,
        "examples_per_second": trained.examples_per_second,
        **describe_environment(),
        "options": run.options,
    }
    run.write_summary(summary)
    draw_figures(run, dataset, logits)
    return run, trained, summary


def augmentation(config: ImageConfig) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """What makes training images of stored ones: ``prepare(uint8 images, key)``."""

    def prepare(images: jax.Array, key: jax.Array) -> jax.Array:
        affine_key, flip_key = jax.random.split(key)
        images = random_affine(
            normalise(images),
            affine_key,
            shift=config.shift,
            rotation=config.rotation,
            zoom=config.zoom,
        )
        return random_flip(images, flip_key) if config.flip else images

    return prepare


def predict_logits(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """Logits of stored images: ``apply(variables, uint8 images)``, without dropout."""

    def apply(variables: Any, images: jax.Array) -> jax.Array:
        return model.apply(variables, normalise(images), train=False)

    return apply


def open_run(experiment: str, config: TrainingConfig, class_names: tuple[str, ...]) -> Run:
    """The run to resume, with the epochs now asked for, or a new one."""
    if config.resume:
        return Run.open(config.resume).with_options(to_options(config))
    return Run.create(experiment, config.runs_dir, config.seed, to_options(config), class_names)


def print_header(
    run: Run, config: ImageConfig, dataset: Dataset, model_name: str, parameters: int
) -> None:
    """What is about to be trained, on what."""
    environment = describe_environment()
    sizes = [f"{len(s['label']):,}" for s in (dataset.train, dataset.validation, dataset.test)]
    rows = {
        "device": f"{environment['device_count']} x {environment['device_kind']}, "
        f"{environment['processor']}, JAX {environment['jax_version']}",
        "data": f"{dataset.name}: {sizes[0]} train, {sizes[1]} validation, {sizes[2]} test",
        "model": f"{model_name}, {parameters:,} parameters, {config.precision}",
        "run": str(run.directory),
    }
    for name, value in rows.items():
        console.print(f"[bold]{name:>6}[/bold]  {value}")


def draw_figures(run: Run, dataset: Dataset, logits: np.ndarray) -> None:
    """Learning curves, predictions with the worst mistakes, confusion matrix."""
    images, labels = dataset.test["image"], dataset.test["label"]
    probabilities = np.asarray(jax.nn.softmax(logits))
    names = dataset.class_names
    figures.learning_curves(run.read_metrics(), run.figures / "learning_curves.png")
    figures.predictions(images, labels, probabilities, names, run.figures / "predictions.png")
    figures.confusion_matrix(labels, logits.argmax(-1), names, run.figures / "confusion.png")
