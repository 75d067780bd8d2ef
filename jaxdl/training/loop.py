"""The training loop: compiled steps, a live line, evaluation, selection, checkpoints."""

import math
import time
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxdl.console import console, format_duration, progress
from jaxdl.errors import UserError
from jaxdl.runs import Run
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.interruption import InterruptedTraining, deferred_interruption
from jaxdl.training.journal import format_metrics, log_epoch, print_epoch
from jaxdl.training.pace import Pace
from jaxdl.training.plan import Plan, Trained
from jaxdl.training.steps import TrainStep, empty_history, epoch_order, make_train_steps

SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Training(struct.PyTreeNode):
    """All that a training is, and so all that a checkpoint holds.

    Attributes:
      state: the train state; its ``variables`` are the model as it is now.
      history: metrics of the steps of this epoch, each float32 (steps_per_epoch,).
      best_variables: the model of the best epoch so far.
      best_score: its score, float32.
      best_epoch: counted from 1, int32; 0 before the first.
      seconds: spent in training, in this and earlier sessions, float32.
      examples_per_second: of the train steps, median over the calls of a session, float32.
    """

    state: Any
    history: dict[str, jax.Array]
    best_variables: Any
    best_score: jax.Array
    best_epoch: jax.Array
    seconds: jax.Array
    examples_per_second: jax.Array


def fit(run: Run, state: Any, train_step: TrainStep, data: Any, plan: Plan) -> Trained:
    """Trains, or goes on training, in the directory of a run.

    If the run has checkpoints, the training goes on from the newest that can be read,
    to the same bits as if it had never stopped.

    Args:
      run: receives metrics and checkpoints.
      state: the fresh train state, with a property ``variables``: the model to report.
      train_step: ``train_step(state, batch, key) -> (state, metrics)``, pure.
      data: the training split, arrays (examples, ...); moved to the device once.
      plan: how long, in what portions, how judged.

    Raises:
      InterruptedTraining: by Ctrl-C or SIGTERM; a checkpoint has been saved.
      UserError: a metric is no longer finite, or no checkpoint can be read.
    """
    data = jax.device_put(data)
    num_examples = len(jax.tree.leaves(data)[0])
    order_of = lru_cache(1)(lambda epoch: epoch_order(plan.seed, np.int32(epoch), num_examples))
    pace = Pace(plan.batch_size, plan.looped)
    with CheckpointStore(run.checkpoints) as store, deferred_interruption() as interrupted:
        step, training = _begin(store, state, train_step, data, plan)
        run.forget_after(step)
        seconds_before, seconds_compile = float(training.seconds), 0.0
        finished = _is_finished(training, step, plan)
        with progress("training", plan.total_steps) as show:
            if not finished:
                show(step, "compiling the train step")
                order = order_of(step // plan.steps_per_epoch)
                train_steps, seconds_compile = _compile(train_step, training, data, order, plan)
            session_started = time.monotonic() - seconds_before
            last_save = time.monotonic()
            while not finished:
                end_of_epoch = (step // plan.steps_per_epoch + 1) * plan.steps_per_epoch
                stop = min(step + pace.steps_per_call, end_of_epoch)
                order = order_of(step // plan.steps_per_epoch)
                training = _advance(train_steps, training, data, order, step, stop, pace)
                step = stop
                if pace.foresees() and step < plan.total_steps:
                    duration = format_duration(pace.seconds_for(plan.total_steps - step))
                    console.print(f"The training will take about {duration}.")
                latest = _latest_metrics(training, (step - 1) % plan.steps_per_epoch, step)
                show(step, f"{latest}  {pace.examples_per_second:,.0f} examples/s")
                seconds = time.monotonic() - session_started
                if step == end_of_epoch:
                    show(step, "evaluating on the validation split")
                    training = _finish_epoch(run, training, step, plan, seconds, pace)
                training = training.replace(
                    seconds=jnp.float32(seconds),
                    examples_per_second=jnp.float32(pace.examples_per_second),
                )
                finished = interrupted() or _is_finished(training, step, plan)
                if time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS:
                    store.save(step, training, training.best_variables)
                    last_save = time.monotonic()
        store.save(step, training, training.best_variables)
        if interrupted():
            raise InterruptedTraining(
                f"Stopped at step {step:,} of {plan.total_steps:,}. Go on with: "
                f"python -m experiments.{run.experiment} --resume {run.directory}"
            )
    return Trained(
        variables=training.best_variables,
        best_epoch=int(training.best_epoch),
        epochs=step // plan.steps_per_epoch,
        steps=step,
        seconds_before=seconds_before,
        seconds_compile=seconds_compile,
        examples_per_second=float(training.examples_per_second),
    )


def _begin(
    store: CheckpointStore, state: Any, train_step: TrainStep, data: Any, plan: Plan
) -> tuple[int, Training]:
    """The step to start from and the training there: the newest checkpoint's, or a fresh one."""
    fresh = Training(
        state=state,
        history=empty_history(train_step, state, data, plan.batch_size),
        best_variables=_copy(state.variables),
        best_score=jnp.float32(-jnp.inf),
        best_epoch=jnp.int32(0),
        seconds=jnp.float32(0.0),
        examples_per_second=jnp.float32(0.0),
    )
    restored = store.restore_training(fresh)
    if restored is None:
        return 0, fresh
    console.print(f"Going on from step {restored[0]:,} of {plan.total_steps:,}.")
    return restored


def _compile(
    train_step: TrainStep, training: Training, data: Any, order: jax.Array, plan: Plan
) -> tuple[Any, float]:
    started = time.monotonic()
    carry = (training.state, training.history)
    train_steps = make_train_steps(train_step, plan.batch_size, plan.seed, plan.looped)
    compiled = train_steps.lower(carry, data, order, np.int32(0), np.int32(0)).compile()
    return compiled, time.monotonic() - started


def _advance(
    train_steps: Any,
    training: Training,
    data: Any,
    order: jax.Array,
    start: int,
    stop: int,
    pace: Pace,
) -> Training:
    started = time.perf_counter()
    carry = (training.state, training.history)
    carry = train_steps(carry, data, order, np.int32(start), np.int32(stop))
    state, history = jax.block_until_ready(carry)
    pace.record(stop - start, time.perf_counter() - started)
    return training.replace(state=state, history=history)


def _latest_metrics(training: Training, position: int, step: int) -> str:
    """The metrics of the last step in words, if all of them are finite."""
    latest = {name: np.asarray(values)[position] for name, values in training.history.items()}
    for name, value in latest.items():
        if not math.isfinite(value):
            raise UserError(
                f"The {name} is {value} at step {step:,}: try a lower --learning-rate, "
                "or --gradient-clip 1."
            )
    return format_metrics(latest)


def _finish_epoch(
    run: Run, training: Training, step: int, plan: Plan, seconds: float, pace: Pace
) -> Training:
    """Evaluates, records, and keeps the model if no epoch before was better."""
    epoch = step // plan.steps_per_epoch
    history = {name: np.asarray(values) for name, values in training.history.items()}
    validation = plan.evaluate(training.state.variables)
    log_epoch(run, epoch, history, validation, float(plan.learning_rate(step)), seconds)
    print_epoch(epoch, plan.epochs, history, validation, pace)
    plan.after_epoch(epoch, training.state.variables, validation)
    score = plan.score(validation) if validation else math.inf
    if score < training.best_score:
        return training
    return training.replace(
        best_variables=_copy(training.state.variables),
        best_score=jnp.float32(score),
        best_epoch=jnp.int32(epoch),
    )


def _is_finished(training: Training, step: int, plan: Plan) -> bool:
    """Whether all steps are done, or the score has stayed below its best for too long."""
    epochs_since_best = step // plan.steps_per_epoch - int(training.best_epoch)
    return step >= plan.total_steps or 0 < plan.patience <= epochs_since_best


@jax.jit
def _copy(tree: Any) -> Any:
    """A copy in buffers of its own, which donating the original leaves alone."""
    return jax.tree.map(jnp.copy, tree)
