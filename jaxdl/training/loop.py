"""The training loop: compiled steps, a live line, evaluation, selection, checkpoints."""

import math
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh

from jaxdl.console import format_duration, note, progress
from jaxdl.runs import Run
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.interruption import InterruptedTraining, deferred_interruption
from jaxdl.training.journal import describe_latest, log_epoch, print_epoch
from jaxdl.training.mesh import constrain_state, copied, place
from jaxdl.training.pace import Pace, decide
from jaxdl.training.plan import Plan, Trained
from jaxdl.training.processes import gather, stop_without_the_others
from jaxdl.training.steps import (
    TrainStep,
    as_rows,
    empty_history,
    epoch_order,
    from_rows,
    group_by_length,
    make_train_steps,
)

SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Training(struct.PyTreeNode):
    """All that a training is, and so all that a checkpoint holds, on the devices of its mesh.

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


def fit(run: Run, state: Any, train_step: TrainStep, split: Any, plan: Plan) -> Trained:
    """Trains, or goes on training, in the directory of a run.

    If the run has checkpoints, the training goes on from the newest that can be read,
    to the same bits as if it had never stopped.

    Args:
      run: receives metrics and checkpoints.
      state: the fresh train state, with a property ``variables``: the model to report.
      train_step: ``train_step(state, batch, key) -> (state, metrics)``, pure.
      split: the training split, arrays (examples, ...); moved to the devices once.
      plan: how long, in what portions, how judged.

    Raises:
      InterruptedTraining: by Ctrl-C or SIGTERM; a checkpoint has been saved.
      UserError: a metric is no longer finite, or no checkpoint can be read.
    """
    with CheckpointStore(run.checkpoints) as store:
        try:
            return _fit(run, store, state, train_step, split, plan)
        except jax.errors.JaxRuntimeError as error:
            if jax.process_count() == 1:
                raise
            stop_without_the_others(error, run.command_to_resume)


def _fit(
    run: Run, store: CheckpointStore, state: Any, train_step: TrainStep, split: Any, plan: Plan
) -> Trained:
    order_of = _orders(len(jax.tree.leaves(split)[0]), plan)
    data = place(as_rows(split), copied(plan.mesh))
    train_step = from_rows(train_step, split)
    number = partial(place, sharding=copied(plan.mesh))
    pace = Pace(plan.batch_size, plan.looped)
    with deferred_interruption() as interrupted:
        step, training = _begin(store, state, train_step, split, plan)
        run.forget_after(step)
        seconds_before, seconds_compile = float(training.seconds), 0.0
        finished, stopped = _is_finished(training, step, plan), False
        with progress("training", plan.total_steps) as show:
            if not finished:
                show(step, "compiling the train step")
                order = order_of(step // plan.steps_per_epoch)
                train_steps, seconds_compile = _compile(train_step, training, data, order, plan)
            session_started = time.monotonic() - seconds_before
            last_save = time.monotonic()
            steps_per_call = 1
            while not finished and not stopped:
                end_of_epoch = (step // plan.steps_per_epoch + 1) * plan.steps_per_epoch
                stop = min(step + steps_per_call, end_of_epoch)
                order = order_of(step // plan.steps_per_epoch)
                training = _advance(train_steps, training, data, order, step, stop, pace)
                step = stop
                if pace.foresees() and step < plan.total_steps:
                    duration = format_duration(pace.seconds_for(plan.total_steps - step))
                    note(f"The training will take about {duration}.")
                latest = describe_latest(training.history, (step - 1) % plan.steps_per_epoch, step)
                show(step, f"{latest}  {pace.examples_per_second:,.0f} examples/s")
                if step == end_of_epoch:
                    show(step, "evaluating on the validation split")
                    seconds = time.monotonic() - session_started
                    training = _finish_epoch(run, training, step, plan, seconds, pace)
                steps_per_call, seconds, save, stopped = decide(
                    pace,
                    time.monotonic() - session_started,
                    time.monotonic() - last_save > SECONDS_BETWEEN_CHECKPOINTS,
                    interrupted(),
                )
                training = training.replace(
                    seconds=number(np.float32(seconds)),
                    examples_per_second=number(np.float32(pace.examples_per_second)),
                )
                finished = _is_finished(training, step, plan)
                if save:
                    store.save(step, training, training.best_variables)
                    last_save = time.monotonic()
        store.save(step, training, training.best_variables)
        if stopped:
            raise InterruptedTraining(
                f"Stopped at step {step:,} of {plan.total_steps:,}. "
                f"Go on with: {run.command_to_resume}"
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


def _orders(num_examples: int, plan: Plan) -> Callable[[int], jax.Array]:
    """The order of an epoch by its number, on the devices; the last one is kept."""

    @lru_cache(1)
    def order_of(epoch: int) -> jax.Array:
        order = epoch_order(plan.seed, np.int32(epoch), num_examples)
        if plan.lengths is not None:
            random = np.random.default_rng((plan.seed, epoch))
            order = group_by_length(np.asarray(order), plan.lengths, plan.batch_size, random)
        return place(order, copied(plan.mesh))

    return order_of


def _begin(
    store: CheckpointStore, state: Any, train_step: TrainStep, split: Any, plan: Plan
) -> tuple[int, Training]:
    """The step to start from and the training there: the newest checkpoint's, or a fresh one."""
    history = empty_history(train_step, state, split, plan.batch_size)
    numbers = {
        "best_score": np.float32(-np.inf),
        "best_epoch": np.int32(0),
        "seconds": np.float32(0.0),
        "examples_per_second": np.float32(0.0),
    }
    fresh = Training(
        state=state,
        history=place(history, copied(plan.mesh)),
        best_variables=_copy(state.variables, plan.mesh),
        **place(numbers, copied(plan.mesh)),
    )
    restored = store.restore_training(fresh)
    if restored is None:
        return 0, fresh
    note(f"Going on from step {restored[0]:,} of {plan.total_steps:,}.")
    return restored


def _compile(
    train_step: TrainStep, training: Training, data: Any, order: jax.Array, plan: Plan
) -> tuple[Any, float]:
    started = time.monotonic()
    carry = (training.state, training.history)
    train_steps = make_train_steps(train_step, plan.batch_size, plan.seed, plan.mesh, plan.looped)
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
    score = gather(np.float32(plan.score(validation) if validation else math.inf))[0]
    if score < training.best_score:
        return training
    return training.replace(
        best_variables=_copy(training.state.variables, plan.mesh),
        best_score=place(score, copied(plan.mesh)),
        best_epoch=place(np.int32(epoch), copied(plan.mesh)),
    )


def _is_finished(training: Training, step: int, plan: Plan) -> bool:
    """Whether all steps are done, or the score has stayed below its best for too long."""
    epochs_since_best = step // plan.steps_per_epoch - int(training.best_epoch)
    return step >= plan.total_steps or 0 < plan.patience <= epochs_since_best


@partial(jax.jit, static_argnums=1)
def _copy(tree: Any, mesh: Mesh) -> Any:
    """A copy in buffers of its own, which donating the original leaves alone."""
    return constrain_state(jax.tree.map(jnp.copy, tree), mesh)
