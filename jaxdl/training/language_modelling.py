"""Trains language models on texts, and scores them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jaxdl.nn.sampled_vocabulary import sampled_cross_entropy
from jaxdl.nn.vocabulary import cross_entropies, summed_cross_entropy
from jaxdl.randomness import Purpose, key_for
from jaxdl.training.epoch import TrainStep, example_shapes
from jaxdl.training.language_objectives import Objective, Targets
from jaxdl.training.layers import EMBEDDING
from jaxdl.training.loop import fit
from jaxdl.training.mesh import make_mesh
from jaxdl.training.metrics_log import MetricsLog
from jaxdl.training.optimization import Optimization, configure_optimizer
from jaxdl.training.pipeline import Batch
from jaxdl.training.plan import Plan, Trained, require_trainable
from jaxdl.training.precision import Precision, with_dtype, with_products
from jaxdl.training.prediction import make_predict
from jaxdl.training.state import TrainState, create_train_state
from jaxdl.training.text_batches import (
    cut_to_longest,
    lengths_up_to,
    predict_by_length,
    preprocess_tokens,
)

SCORED_AT_ONCE = 100

Split = dict[str, np.ndarray]


def train_language_model(
    model: nn.Module,
    train: Split,
    options: Optimization,
    objective: Objective,
    *,
    validation: Split,
    num_words: int = 0,
    seed: int = 0,
    mesh: Mesh | None = None,
    checkpoints: Path | None = None,
    log: MetricsLog | None = None,
) -> tuple[Trained, Callable[[Split, str], dict[str, float]]]:
    """Trains a language model, and keeps the model of the epoch with the least validation loss.

    Args:
      model: one of `jaxdl.models.language_models`; its ``dtype`` is set to that of the precision.
      train: "tokens" int32 (texts, time) and "length" int32 (texts,).
      options: options of the optimization.
      objective: ``objective(batch, key)`` returns what the model has to predict.
      validation: arrays like ``train``; without texts the model of the last epoch is kept.
      num_words: number of random words among which each token is predicted in training; 0 for all.
      seed: determines initial parameters, order of the texts, dropout, masks and random words.
      mesh: the devices over which batches and state are sharded; None for all devices.
      checkpoints: directory of checkpoints, from which an earlier training is resumed.
      log: receives the metrics.

    Returns:
      The trained model, and ``score(split, description)``, which returns its metrics on a split:
      "loss", the mean cross-entropy of a token in nats, and "perplexity", its exponential.

    Raises:
      UserError: see `fit`.
    """
    model, mesh = with_dtype(model, options.precision), mesh or make_mesh()
    require_trainable(options, len(train["length"]), len(validation["length"]), mesh)
    steps_per_epoch = len(train["length"]) // options.batch_size
    state, step, schedule = init_language_model(
        model, train, options, objective, steps_per_epoch, seed, mesh, num_words
    )
    step = cut_to_longest(step, lengths_up_to(train["tokens"].shape[1]))
    longest = max(train["tokens"].shape[1], validation["tokens"].shape[1])
    score = make_score(model, objective, longest, options.precision, mesh)
    plan = Plan(
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=seed,
        evaluate=lambda variables: score(variables, validation),
        criterion=lambda metrics: -metrics["loss"],
        patience=options.patience,
        learning_rate=schedule,
        lengths=train["length"],
        mesh=mesh,
    )
    trained = fit(state, step, train, plan, checkpoints, log)
    return trained, partial(score, trained.variables)


def init_language_model(
    model: nn.Module,
    train: Any,
    options: Optimization,
    objective: Objective,
    steps_per_epoch: int,
    seed: int,
    mesh: Mesh,
    num_words: int = 0,
) -> tuple[TrainState, TrainStep, optax.Schedule]:
    """Builds the initial train state, the train step and the learning-rate schedule.

    The step processes texts at their full length; `cut_to_longest` shortens them.

    The arguments are as in `train_language_model`, except that ``train`` may be shapes;
    ``steps_per_epoch`` is the number of steps in a pass over it.
    """
    optimizer, schedule = configure_optimizer(options, steps_per_epoch)
    inputs = jax.eval_shape(preprocess_tokens, example_shapes(train, 1))
    state = create_train_state(model, optimizer, inputs, seed, options.ema_decay, mesh)
    step = partial(train_step, objective=objective, num_words=num_words)
    return state, with_products(step, options.precision), schedule


def train_step(
    state: TrainState, batch: Batch, key: jax.Array, *, objective: Objective, num_words: int = 0
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Updates the parameters once. Pure: the same arguments give the same result.

    Args:
      state: before the step.
      batch: "tokens" int32 (batch, time) and "length" int32 (batch,).
      key: the randomness of this step.
      objective: what the model has to predict.
      num_words: number of random words among which each token is predicted; 0 for all words.

    Returns:
      The state after the step; "loss", the mean cross-entropy of a token in nats, float32; with
      ``num_words`` it is an estimate that is too low on average.
    """
    objective_key, dropout_key, words_key = jax.random.split(key, 3)
    targets = objective(batch, objective_key)

    def loss_fn(params: Any) -> jax.Array:
        apply = partial(state.apply_fn, train=True, rngs={"dropout": dropout_key})
        factors = logit_factors(apply, {"params": params}, targets)
        arguments = (*factors, targets.targets, targets.weights)
        if num_words:
            total = sampled_cross_entropy(*arguments, words_key, num_words)
        else:
            total = summed_cross_entropy(*arguments)
        return total / jnp.maximum(targets.weights.sum(), 1)

    loss, grads = jax.value_and_grad(loss_fn)(state.params)
    return state.apply_gradients(grads=grads), {"loss": loss}


def logit_factors(
    apply: Callable[..., jax.Array], variables: Any, targets: Targets
) -> tuple[jax.Array, jax.Array]:
    """Computes the two factors of the logits at the positions of the targets.

    Returns:
      The outputs of the model there, (batch, targets, width), and the embedding of all tokens,
      (vocabulary, width), of the same dtype.
    """
    outputs = apply(variables, targets.tokens, targets.length)
    features = jnp.take_along_axis(outputs, targets.positions[..., None], axis=1)
    return features, variables["params"][EMBEDDING][EMBEDDING].astype(features.dtype)


def make_score(
    model: nn.Module, objective: Objective, longest: int, precision: Precision, mesh: Mesh
) -> Callable[..., dict[str, float]]:
    """Compiles ``score(variables, split, description)``, which returns the metrics of a split.

    Args:
      model: as in `train_language_model`, but already with the ``dtype`` of the precision.
      objective: as in `train_language_model`; a text's key depends only on its index.
      longest: number of tokens of the longest texts.
      precision: precision of the products, see `with_products`.
      mesh: the devices over which texts are sharded.
    """

    def targets_of(text: Batch, number: jax.Array) -> Targets:
        key = jax.random.fold_in(key_for(Purpose.MASKS, 0), number)
        batch = jax.tree.map(lambda array: array[None], text)
        return jax.tree.map(lambda array: array[0], objective(batch, key))

    def losses(variables: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
        text = {name: batch[name] for name in ("tokens", "length")}
        targets = jax.vmap(targets_of)(text, batch["number"])
        factors = logit_factors(partial(model.apply, train=False), variables, targets)
        sums = cross_entropies(*factors, targets.targets, targets.weights)
        return sums, targets.weights.sum(axis=1)

    predict = make_predict(with_products(losses, precision), SCORED_AT_ONCE, mesh)
    predict = predict_by_length(predict, lengths_up_to(longest))

    def score(variables: Any, split: Split, description: str = "") -> dict[str, float]:
        numbered = split | {"number": np.arange(len(split["length"]), dtype=np.int32)}
        sums, counts = predict(variables, numbered, description)
        if not counts.sum():
            return {}
        loss = sums.sum(dtype=np.float64) / counts.sum(dtype=np.float64)
        return {"loss": float(loss), "perplexity": float(np.exp(loss))}

    return score
