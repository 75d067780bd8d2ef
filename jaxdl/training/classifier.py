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
from jaxdl.training.classification import Batch, Task, View, evaluate, train_step
from jaxdl.training.config import ClassifierConfig, configure_optimizer
from jaxdl.training.loop import fit
from jaxdl.training.mesh import fetch, make_mesh
from jaxdl.training.plan import Plan, Trained
from jaxdl.training.report import print_header, summarise
from jaxdl.training.state import TrainState, count_parameters, create_train_state
from jaxdl.training.steps import TrainStep, make_predict


def train_classifier(
    run: Run,
    config: ClassifierConfig,
    model: nn.Module,
    dataset: Dataset,
    task: Task,
    looped: bool = True,
) -> tuple[Trained, np.ndarray, dict[str, Any]]:
    """Trains on the training split, chooses on the validation split, scores on the test split.

    Args:
      run: receives metrics, checkpoints, learning curves and summary.
      config: all options.
      model: called as ``model.apply(variables, *inputs, train=...)``, gives logits.
      dataset: each split with int32 "label" and whatever the task takes.
      task: how stored examples become inputs.
      looped: see `jaxdl.training.steps.make_train_steps`.

    Returns:
      The trained model, its logits on the test split, float32 (examples, classes), and
      the summary that was written.
    """
    started = time.monotonic()
    steps_per_epoch = len(dataset.train["label"]) // config.batch_size
    one_example = {name: array[:1] for name, array in dataset.train.items()}
    mesh = make_mesh(config.mesh)
    state, step, schedule = begin(config, model, task, one_example, steps_per_epoch, mesh)
    parameters = count_parameters(state.params)
    print_header(run, config, dataset, type(model).__name__, parameters)

    predict = make_predict(predict_logits(model, task.views), mesh=mesh)

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
        mesh=mesh,
        patience=config.patience,
        looped=looped,
    )
    trained = fit(run, state, step, dataset.train, plan)

    _, validation = score(trained.variables, dataset.validation)
    logits, test = score(trained.variables, dataset.test)
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


def begin(
    config: ClassifierConfig,
    model: nn.Module,
    task: Task,
    one_example: Any,
    steps_per_epoch: int,
    mesh: Mesh,
) -> tuple[TrainState, TrainStep, optax.Schedule]:
    """The fresh train state, the train step and the learning rate by step that the options name.

    Args:
      config: all options.
      model: as in `train_classifier`.
      task: likewise.
      one_example: arrays of the training split, or their shapes, of (1, ...).
      steps_per_epoch: of one pass over the training split.
      mesh: over whose devices to lay the state out.
    """
    optimizer, schedule = configure_optimizer(config, steps_per_epoch)
    inputs = jax.eval_shape(task.views[0], one_example)
    state = create_train_state(model, optimizer, inputs, config.seed, config.ema_decay, mesh)
    step = partial(
        train_step,
        task=task,
        label_smoothing=config.label_smoothing,
        micro_batches=config.micro_batches,
    )
    return state, step, schedule


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
