"""Trains a model as a classifier on arrays of examples, and computes its logits."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh

from jaxdl.errors import UserError
from jaxdl.training.classification import evaluate, train_step
from jaxdl.training.epoch import TrainStep, example_shapes
from jaxdl.training.finetuning import PretrainedStart, with_layer_decay
from jaxdl.training.loop import fit
from jaxdl.training.mesh import make_mesh
from jaxdl.training.metrics_log import MetricsLog
from jaxdl.training.optimization import ClassifierOptimization, configure_optimizer
from jaxdl.training.pipeline import Batch, InputPipeline, features_as_inputs
from jaxdl.training.plan import Plan, Trained, require_trainable
from jaxdl.training.precision import Precision, with_dtype, with_products
from jaxdl.training.prediction import Predict, make_predict
from jaxdl.training.state import TrainState, create_train_state
from jaxdl.training.text_batches import cut_to_longest, predict_by_length

Split = dict[str, np.ndarray]


def train_classifier(
    model: nn.Module,
    train: Split,
    options: ClassifierOptimization,
    *,
    validation: Split | None = None,
    pipeline: InputPipeline | None = None,
    seed: int = 0,
    mesh: Mesh | None = None,
    start: PretrainedStart | None = None,
    checkpoints: Path | str | None = None,
    log: MetricsLog | None = None,
) -> tuple[Trained, Callable[..., np.ndarray]]:
    """Trains on one split, and keeps the model of the epoch with the best validation accuracy.

    Args:
      model: called as ``model.apply(variables, *inputs, train=...)``, returns logits. On CPU its
        convolutions are fastest if they are `jaxdl.nn.Conv`.
      train: arrays (examples, ...): int "label", and the features that the pipeline takes.
      options: options of the optimization; their ``precision`` sets the ``dtype`` of the model.
      validation: arrays like ``train``; without them the model of the last epoch is kept.
      pipeline: turns features into inputs; None for `features_as_inputs`.
      seed: determines initial parameters, order of the examples, dropout and augmentation.
      mesh: the devices over which batches and state are sharded; None for all devices.
      start: a trained model to start from; None for new parameters.
      checkpoints: directory of checkpoints, from which an earlier training is resumed.
      log: receives the metrics; see `fit`.

    Returns:
      The trained model, and ``predict(split, description)``, which returns its logits for a split,
      float32 (examples, classes).

    Raises:
      UserError: the arrays are not the examples of a classification, or the model cannot compute in
        the precision of the options; see also `fit`.
    """
    model = with_dtype(model, options.precision)
    mesh, pipeline = mesh or make_mesh(), pipeline or features_as_inputs(train)
    validation = validation or {name: array[:0] for name, array in train.items()}
    require_same_features(train, validation)
    train = checked({**train, **(start.features if start else {})})
    validation = checked(validation)
    require_trainable(options, len(train["label"]), len(validation["label"]), mesh)
    steps_per_epoch = len(train["label"]) // options.batch_size
    state, step, schedule = init_classifier(
        model, train, options, pipeline, steps_per_epoch, seed, mesh, start
    )
    if pipeline.lengths:
        step = cut_to_longest(step, pipeline.lengths)
    logits = jax.eval_shape(logits_of(model, pipeline), state.variables, example_shapes(train, 1))
    for split in (train, validation):
        require_labels(split["label"], logits.shape[-1])
    predict = make_predict_logits(model, pipeline, mesh, options.precision)
    plan = Plan(
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=seed,
        evaluate=lambda variables: (
            score(partial(predict, variables), validation)[1] if len(validation["label"]) else {}
        ),
        patience=options.patience,
        learning_rate=schedule,
        lengths=train["length"] if pipeline.lengths else None,
        mesh=mesh,
    )
    trained = fit(state, step, train, plan, checkpoints, log)
    return trained, partial(predict, trained.variables)


def init_classifier(
    model: nn.Module,
    train: Any,
    options: ClassifierOptimization,
    pipeline: InputPipeline,
    steps_per_epoch: int,
    seed: int,
    mesh: Mesh,
    start: PretrainedStart | None = None,
) -> tuple[TrainState, TrainStep, optax.Schedule]:
    """Builds the initial train state, the train step and the learning-rate schedule.

    The step processes texts at their full length; `cut_to_longest` shortens them.

    The arguments are as in `train_classifier`, except that ``train`` may be shapes;
    ``steps_per_epoch`` is the number of steps in a pass over it.
    """
    optimizer, schedule = configure_optimizer(options, steps_per_epoch)
    if start:
        optimizer = with_layer_decay(optimizer, start)
    inputs = jax.eval_shape(pipeline.preprocess, example_shapes(train, 1))
    variables = start and start.variables
    state = create_train_state(model, optimizer, inputs, seed, options.ema_decay, mesh, variables)
    step = partial(
        train_step,
        pipeline=pipeline,
        label_smoothing=options.label_smoothing,
        micro_batches=options.micro_batches,
    )
    return state, with_products(step, options.precision), schedule


def require_same_features(train: Split, validation: Split) -> None:
    """Raises a UserError unless the validation split has the arrays that the training split has."""
    missing = ", ".join(sorted(train.keys() - validation.keys()))
    if missing:
        raise UserError(f"The validation split lacks {missing}, which the training split has.")


def checked(split: Split) -> Split:
    """Checks a split, and converts 64-bit numbers, numpy's default, to the 32 bits of JAX.

    Raises:
      UserError: "label" is missing or not int (examples,), lengths differ, or an integer needs 64
        bits.
    """
    if "label" not in split:
        raise UserError(f'A split needs "label" among its arrays, but has {", ".join(split)}.')
    label = split["label"]
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise UserError(f'"label" is {label.dtype} {label.shape}, but must be int (examples,).')
    lengths = {name: len(array) for name, array in split.items()}
    if len(set(lengths.values())) > 1:
        raise UserError(f"The arrays of a split must have the same length, but have {lengths}.")
    converted = dict(split)
    for name, array in split.items():
        dtype = jax.dtypes.canonicalize_dtype(array.dtype)
        if dtype != array.dtype:
            converted[name] = array.astype(dtype)
            if np.issubdtype(dtype, np.integer) and (converted[name] != array).any():
                raise UserError(
                    f'"{name}" holds integers that need 64 bits, but JAX computes with 32.'
                )
    return converted


def require_labels(label: np.ndarray, num_logits: int) -> None:
    """Raises a UserError unless each label is the index of a logit."""
    if len(label) and (label.min() < 0 or label.max() >= num_logits):
        raise UserError(
            f"The labels are {label.min()} to {label.max()}, but the model has {num_logits} "
            f"logits, for the labels 0 to {num_logits - 1}."
        )


def score(
    predict: Callable[..., np.ndarray], split: Split, description: str = ""
) -> tuple[np.ndarray, dict[str, float]]:
    """Returns the logits of a split, and its mean "loss" and "accuracy".

    Args:
      predict: ``predict(features, description)`` returns logits, float32 (examples, classes).
      split: features (examples, ...) and "label", int32 (examples,).
      description: text to show with the progress; without it no progress is shown.
    """
    features = {name: array for name, array in split.items() if name != "label"}
    logits = predict(features, description)
    return logits, evaluate(logits, split["label"])


def make_predict_logits(
    model: nn.Module,
    pipeline: InputPipeline,
    mesh: Mesh | None = None,
    precision: Precision = "float32",
) -> Predict:
    """Compiles ``predict(variables, split, description)``, which returns the logits of a split.

    Args:
      model: as in `train_classifier`, but already with the ``dtype`` of the precision.
      pipeline: turns features into inputs.
      mesh: see `make_predict`.
      precision: precision of the products, see `with_products`.
    """
    predict = make_predict(logits_of(model, pipeline, precision), pipeline.predict_batch_size, mesh)
    return predict_by_length(predict, pipeline.lengths) if pipeline.lengths else predict


def logits_of(
    model: nn.Module, pipeline: InputPipeline, precision: Precision = "float32"
) -> Callable[[Any, Batch], jax.Array]:
    """Returns ``apply(variables, batch)``, which computes logits of examples without dropout.

    With test-time augmentation they are the mean over all preprocessings.
    """

    def apply(variables: Any, batch: Batch) -> jax.Array:
        preprocessings = (pipeline.preprocess, *pipeline.test_time)
        logits = [model.apply(variables, *p(batch), train=False) for p in preprocessings]
        return sum(logits) / len(logits)

    return with_products(apply, precision)
