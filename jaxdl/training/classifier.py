"""From a configuration, a model and data to a trained classifier, its scores and its figures."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from jaxdl.console import print_table
from jaxdl.data import Dataset
from jaxdl.errors import UsageError
from jaxdl.runs import Run, figures
from jaxdl.runs.command_line import to_options
from jaxdl.runs.environment import describe_environment
from jaxdl.training.classification import Batch, Prepare, evaluate, train_step
from jaxdl.training.config import TrainingConfig
from jaxdl.training.loop import Plan, Trained, fit
from jaxdl.training.optimizers import build_optimizer, learning_rate_schedule
from jaxdl.training.state import count_parameters, create_train_state
from jaxdl.training.steps import make_predict


def open_run(experiment: str, config: TrainingConfig, dataset: Dataset) -> Run:
    """The run to resume, with the epochs now asked for, or a new one.

    Raises:
      UsageError: the batch is larger than the training split.
      UserError: the directory cannot be written.
    """
    num_train = len(dataset.train["label"])
    if config.batch_size > num_train:
        raise UsageError(
            f"--batch-size is {config.batch_size:,}, but the training split has only "
            f"{num_train:,} examples."
        )
    options = to_options(config)
    if config.resume:
        return Run.open(config.resume).with_options(options)
    return Run.create(experiment, config.runs_dir, config.seed, options, dataset.class_names)


def train_classifier(
    run: Run,
    config: TrainingConfig,
    model: nn.Module,
    dataset: Dataset,
    prepare: Prepare,
) -> tuple[Trained, np.ndarray, dict[str, Any]]:
    """Trains on the training split, chooses on the validation split, scores on the test split.

    Args:
      run: receives metrics, checkpoints, learning curves and summary.
      config: all options.
      model: called as ``model.apply(variables, *inputs, train=...)``, gives logits.
      dataset: each split with int32 "label" and whatever ``prepare`` takes.
      prepare: makes the model's inputs of stored examples.

    Returns:
      The trained model, its logits on the test split, float32 (examples, classes), and
      the summary that was written.
    """
    started = time.monotonic()
    steps_per_epoch = len(dataset.train["label"]) // config.batch_size
    schedule = learning_rate_schedule(
        config.schedule,
        config.learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        warmup_fraction=config.warmup_fraction,
    )
    optimizer = build_optimizer(
        config.optimizer, schedule, config.weight_decay, config.gradient_clip
    )
    one_example = {name: array[:1] for name, array in dataset.train.items()}
    inputs = jax.eval_shape(lambda batch: prepare(batch, None), one_example)
    state = create_train_state(model, optimizer, inputs, config.seed, config.ema_decay)
    parameters = count_parameters(state.params)
    print_header(run, config, dataset, type(model).__name__, parameters)

    predict = make_predict(predict_logits(model, prepare))

    def score(variables: Any, split: Batch) -> tuple[np.ndarray, dict[str, float]]:
        logits = predict(variables, {k: v for k, v in split.items() if k != "label"})
        return logits, evaluate(logits, split["label"]) if len(split["label"]) else {}

    plan = Plan(
        batch_size=config.batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=config.epochs,
        seed=config.seed,
        learning_rate=schedule,
        evaluate=lambda variables: score(variables, dataset.validation)[1],
        score=lambda metrics: metrics["accuracy"],
        patience=config.patience,
    )
    step = partial(train_step, prepare=prepare, label_smoothing=config.label_smoothing)
    trained = fit(run, state, step, dataset.train, plan)

    _, validation = score(trained.variables, dataset.validation)
    logits, test = score(trained.variables, dataset.test)
    summary = {
        "experiment": run.experiment,
        "dataset": dataset.name,
        "seed": config.seed,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "steps": trained.steps,
        "parameters": parameters,
        **{f"validation_{name}": value for name, value in validation.items()},
        **{f"test_{name}": value for name, value in test.items()},
        "seconds_total": time.monotonic() - started + trained.seconds_before,
        "seconds_compile": trained.seconds_compile,
        "examples_per_second": trained.examples_per_second,
        **describe_environment(),
        "options": run.options,
    }
    run.write_summary(summary)
    figures.learning_curves(run.read_metrics(), run.figures / "learning_curves.png")
    return trained, logits, summary


def predict_logits(model: nn.Module, prepare: Prepare) -> Callable[[Any, Batch], jax.Array]:
    """Logits of stored examples: ``apply(variables, batch)``, nothing dropped or augmented."""

    def apply(variables: Any, batch: Batch) -> jax.Array:
        return model.apply(variables, *prepare(batch, None), train=False)

    return apply


def print_header(
    run: Run, config: TrainingConfig, dataset: Dataset, model_name: str, parameters: int
) -> None:
    """What is about to be trained, on what."""
    environment = describe_environment()
    sizes = [f"{len(s['label']):,}" for s in (dataset.train, dataset.validation, dataset.test)]
    print_table(
        {
            "device": f"{environment['device_count']} x {environment['device_kind']}, "
            f"{environment['processor']}, JAX {environment['jax_version']}",
            "data": f"{dataset.name}: {sizes[0]} train, {sizes[1]} validation, {sizes[2]} test",
            "model": f"{model_name}, {parameters:,} parameters, {config.precision}",
            "run": str(run.directory),
        }
    )
