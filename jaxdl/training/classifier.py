"""From a configuration, a model and data to a trained classifier, its scores and its figures."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh

from jaxdl.data import Dataset
from jaxdl.runs import Run, figures
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.classification import (
    Batch,
    Task,
    View,
    cut_to_longest,
    evaluate,
    train_step,
)
from jaxdl.training.config import ClassifierConfig, configure_optimizer
from jaxdl.training.finetuning import Start, discriminate
from jaxdl.training.loop import fit
from jaxdl.training.mesh import fetch, make_mesh
from jaxdl.training.plan import Plan, Trained
from jaxdl.training.report import print_header, summarise
from jaxdl.training.state import TrainState, count_parameters, create_train_state
from jaxdl.training.steps import Predict, TrainStep, make_predict, predict_by_length


def train_classifier(
    run: Run,
    config: ClassifierConfig,
    model: nn.Module,
    dataset: Dataset,
    task: Task,
    looped: bool = True,
    start: Start | None = None,
    started: float | None = None,
) -> tuple[Trained, np.ndarray, dict[str, Any]]:
    """Trains on the training split, chooses on the validation split, scores on the test split.

    Args:
      run: receives metrics, checkpoints, learning curves and summary.
      config: all options.
      model: called as ``model.apply(variables, *inputs, train=...)``, gives logits.
      dataset: each split with int32 "label" and whatever the task takes.
      task: how stored examples become inputs.
      looped: see `jaxdl.training.steps.make_train_steps`.
      start: what to begin with, and how freely it may change; None for a fresh model.
      started: when the work on the run began, by ``time.monotonic``; None for now.

    Returns:
      The trained model, its logits on the test split, float32 (examples, classes), and
      the summary that was written.
    """
    started = started or time.monotonic()
    steps_per_epoch = len(dataset.train["label"]) // config.batch_size
    one_example = {name: array[:1] for name, array in dataset.train.items()}
    mesh = make_mesh(config.mesh)
    state, step, schedule = begin(config, model, task, one_example, steps_per_epoch, mesh, start)
    parameters = count_parameters(state.params)
    print_header(run, config, dataset, type(model).__name__, parameters)

    predict = predict_task(model, task, mesh)

    def score(variables: Any, split: Batch, name: str = "") -> tuple[np.ndarray, dict[str, float]]:
        description = name and f"scoring the {name} split"
        inputs = {key: array for key, array in split.items() if key != "label"}
        logits = predict(variables, inputs, description)
        return logits, evaluate(logits, split["label"]) if len(split["label"]) else {}

    plan = Plan(
        batch_size=config.batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=config.epochs,
        seed=config.seed,
        learning_rate=schedule,
        evaluate=lambda variables: score(variables, dataset.validation)[1],
        score=lambda metrics: metrics["accuracy"],
        mesh=mesh,
        patience=config.patience,
        looped=looped,
        lengths=dataset.train["length"] if task.lengths else None,
    )
    trained = fit(run, state, step, dataset.train, plan)

    _, validation = score(trained.variables, dataset.validation, "validation")
    logits, test = score(trained.variables, dataset.test, "test")
    scores = {
        **{f"validation_{name}": value for name, value in validation.items()},
        **{f"test_{name}": value for name, value in test.items()},
    }
    seconds = time.monotonic() - started
    summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
    run.write_summary(summary)
    figures.learning_curves(run.read_metrics(), run.figures / "learning_curves.png")
    variables = fetch(trained.variables, mesh)
    return dataclasses.replace(trained, variables=variables), logits, summary


def score_fixed(
    run: Run,
    config: ClassifierConfig,
    dataset: Dataset,
    model_name: str,
    variables: Any,
    predict: Callable[[Batch, str], np.ndarray],
    started: float,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Scores a model that is not trained any further, and saves it as a run's.

    Args:
      run: receives checkpoint and summary.
      config: all options.
      dataset: as in `train_classifier`.
      model_name: for the header.
      variables: of the model.
      predict: ``predict(split, name)``, logits, float32 (examples, classes).
      started: when the work on the run began, by ``time.monotonic``.

    Returns:
      Its logits on the test split, and the summary that was written.
    """
    parameters = count_parameters(variables["params"])
    print_header(run, config, dataset, model_name, parameters)
    with CheckpointStore(run.checkpoints) as store:
        store.save(0, training={"step": np.zeros(())}, model=variables)
    scores = {}
    for name, split in (("validation", dataset.validation), ("test", dataset.test)):
        logits = predict(split, name)
        measured = evaluate(logits, split["label"]) if len(split["label"]) else {}
        scores |= {f"{name}_{metric}": value for metric, value in measured.items()}
    trained = Trained(
        variables,
        best_epoch=0,
        epochs=0,
        steps=0,
        seconds_before=0.0,
        seconds_compile=0.0,
        examples_per_second=0.0,
    )
    seconds = time.monotonic() - started
    summary = summarise(run, config, dataset.name, trained, parameters, scores, seconds)
    run.write_summary(summary)
    return logits, summary


def begin(
    config: ClassifierConfig,
    model: nn.Module,
    task: Task,
    one_example: Any,
    steps_per_epoch: int,
    mesh: Mesh,
    start: Start | None = None,
) -> tuple[TrainState, TrainStep, optax.Schedule]:
    """The fresh train state, the train step and the learning rate by step that the options name.

    Args:
      config: all options.
      model: as in `train_classifier`.
      task: likewise.
      one_example: arrays of the training split, or their shapes, of (1, ...).
      steps_per_epoch: of one pass over the training split.
      mesh: over whose devices to lay the state out.
      start: as in `train_classifier`.
    """
    optimizer, schedule = configure_optimizer(config, steps_per_epoch)
    if start:
        optimizer = discriminate(optimizer, start)
    inputs = jax.eval_shape(task.views[0], one_example)
    variables = start and start.variables
    state = create_train_state(
        model, optimizer, inputs, config.seed, config.ema_decay, mesh, variables
    )
    step = partial(
        train_step,
        task=task,
        label_smoothing=config.label_smoothing,
        micro_batches=config.micro_batches,
    )
    if task.lengths:
        step = cut_to_longest(step, task.lengths)
    return state, step, schedule


def predict_task(model: nn.Module, task: Task, mesh: Mesh | None = None) -> Predict:
    """Compiles the logits of whole splits: ``predict(variables, split, description)``.

    Args:
      model: as in `train_classifier`.
      task: how examples become inputs, how many are predicted at once, how texts are cut.
      mesh: see `make_predict`.
    """
    predict = make_predict(predict_logits(model, task.views), task.batch_size, mesh)
    return predict_by_length(predict, task.lengths) if task.lengths else predict


def predict_logits(model: nn.Module, views: Sequence[View]) -> Callable[[Any, Batch], jax.Array]:
    """Logits of stored examples: ``apply(variables, batch)``, nothing dropped.

    Args:
      model: as in `train_classifier`.
      views: each makes the model's inputs in its own way; the logits are their mean.
    """

    def apply(variables: Any, batch: Batch) -> jax.Array:
        logits = [model.apply(variables, *view(batch), train=False) for view in views]
        return sum(logits) / len(logits)

    return apply
