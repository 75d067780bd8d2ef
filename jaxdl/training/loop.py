"""The training loop: advance, log, evaluate, checkpoint, stop."""

import contextlib
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh

from jaxdl.console import console, format_duration, note, progress
from jaxdl.errors import UserError
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.epoch import CompiledEpoch, TrainStep
from jaxdl.training.interruption import InterruptedTraining, deferred_interruption
from jaxdl.training.mesh import constrain_state, device_put, replicated
from jaxdl.training.metrics_log import MetricsLog, format_epoch, format_metrics
from jaxdl.training.plan import Plan, Trained
from jaxdl.training.processes import agree, gather, is_first
from jaxdl.training.reading_ahead import is_streamed
from jaxdl.training.streaming import StreamedEpoch
from jaxdl.training.throughput import Throughput

SECONDS_BETWEEN_CHECKPOINTS = 30.0
SHARE_OF_CHECKPOINTS = 0.05
"""Largest share of the training time that may go into writing checkpoints."""


class Training(struct.PyTreeNode):
    """Everything that changes in a training, and so what a checkpoint holds.

    Attributes:
      state: the train state; its ``variables`` are the model as it is now.
      history: metrics of the steps of this epoch, each float32 (steps_per_epoch,).
      best_variables: the model of the best epoch so far.
      best_criterion: its criterion, see `Plan`, float32.
      best_epoch: number of that epoch, from 1, int32; 0 until the first epoch ends.
      seconds: time spent in training, in this and earlier sessions, float32.
      examples_per_second: see `Trained`, float32.
    """

    state: Any
    history: dict[str, jax.Array]
    best_variables: Any
    best_criterion: jax.Array
    best_epoch: jax.Array
    seconds: jax.Array
    examples_per_second: jax.Array


def fit(
    state: Any,
    train_step: TrainStep,
    split: dict[str, np.ndarray],
    plan: Plan,
    checkpoints: Path | str | None = None,
    log: MetricsLog | None = None,
) -> Trained:
    """Trains; with a directory of checkpoints, resumes from the newest that can be read.

    A training that was stopped and resumed is bitwise identical to one that was not.

    Args:
      state: the initial train state, with a property ``variables``: the model to report. It is
        donated: do not use it afterwards.
      train_step: ``train_step(state, batch, key) -> (state, metrics)``, pure.
      split: the training split: arrays (examples, ...), moved to the devices once, or array-like
        objects that are read in every epoch, such as `jaxdl.data.own.lazy.LazyImages`.
      plan: how long to train, and how to evaluate.
      checkpoints: directory to save them in at the end and every 30 seconds, or less often where
        that would take more than a twentieth of the time; None for none.
      log: receives the metrics; None for a file CHECKPOINTS.jsonl beside the directory, which the
        first process writes, or for a log in memory if there is no directory.

    Raises:
      InterruptedTraining: Ctrl-C, SIGTERM or SIGHUP arrived; if there is a directory, a checkpoint
        has been saved.
      UserError: a metric is not finite when progress is shown; or the directory is in use by
        another process, none of its checkpoints can be read, or they are of a longer training.
    """
    checkpoints = checkpoints and Path(checkpoints)
    if log is None:
        writes = checkpoints is not None and is_first()
        log = MetricsLog(checkpoints.with_name(f"{checkpoints.name}.jsonl") if writes else None)
    epoch_class = StreamedEpoch if is_streamed(split) else CompiledEpoch
    epoch = epoch_class(
        train_step, state, split, plan.batch_size, plan.seed, plan.mesh, plan.lengths
    )
    total_steps = plan.epochs * epoch.steps_per_epoch
    throughput = Throughput(plan.batch_size)
    seconds_compile, steps_per_call, stopped = 0.0, 1, False
    open_store = CheckpointStore(checkpoints) if checkpoints else contextlib.nullcontext()
    with contextlib.closing(epoch), open_store as store, deferred_interruption() as interrupted:
        step, training = _init_or_restore(store, state, epoch, plan)
        steps_before = step
        epochs = step // epoch.steps_per_epoch  # the records of an epoch are written at its end
        log.drop_after(epochs * epoch.steps_per_epoch, epochs)
        seconds_before = float(training.seconds)
        finished = _is_finished(training, step, epoch.steps_per_epoch, plan)
        with progress("training", total_steps) as show:
            if not finished:
                show(step, "compiling the train step")
                compile_started = time.monotonic()
                program = epoch.lower().compile()
                seconds_compile = time.monotonic() - compile_started
            session_started = time.monotonic() - seconds_before
            next_save = time.monotonic() + SECONDS_BETWEEN_CHECKPOINTS
            while not finished and not stopped:
                end_of_epoch = (step // epoch.steps_per_epoch + 1) * epoch.steps_per_epoch
                stop = min(step + steps_per_call, end_of_epoch)
                started = time.perf_counter()
                carry = epoch.run(program, training.state, training.history, step, stop)
                state, history = jax.block_until_ready(carry)
                throughput.record(stop - step, time.perf_counter() - started)
                training, step = training.replace(state=state, history=history), stop
                if throughput.estimates() and step < total_steps:
                    duration = format_duration(throughput.seconds_for(total_steps - step))
                    note(f"The training will take about {duration}.")
                metrics = _metrics_of(training, step, epoch.steps_per_epoch)
                speed = f"{throughput.examples_per_second:,.0f} examples/s"
                show(step, f"{format_metrics(metrics)}  {speed}")
                if step == end_of_epoch:
                    show(step, "evaluating on the validation split")
                    seconds = time.monotonic() - session_started
                    number = step // epoch.steps_per_epoch
                    training = _finish_epoch(training, number, step, plan, log, seconds, throughput)
                steps_per_call, seconds, save, stopped = agree(
                    throughput.steps_per_call,
                    time.monotonic() - session_started,
                    time.monotonic() > next_save,
                    interrupted(),
                )
                training = _with_times(training, seconds, throughput, plan.mesh)
                finished = _is_finished(training, step, epoch.steps_per_epoch, plan)
                if store and save:
                    next_save = _save(store, step, training)
        if store:
            _save(store, step, training)
    if stopped:
        kept = "" if store else " Nothing was saved, since there is no directory for checkpoints."
        raise InterruptedTraining(f"Stopped at step {step:,} of {total_steps:,}.{kept}")
    return Trained(
        variables=training.best_variables,
        history=log.records,
        best_epoch=int(training.best_epoch),
        epochs=step // epoch.steps_per_epoch,
        steps=step,
        steps_before=steps_before,
        seconds_before=seconds_before,
        seconds_compile=seconds_compile,
        examples_per_second=float(training.examples_per_second),
    )


def _init_or_restore(
    store: CheckpointStore | None, state: Any, epoch: CompiledEpoch, plan: Plan
) -> tuple[int, Training]:
    """Returns the step to start from and the training there, from the newest checkpoint if any."""
    on_devices = partial(device_put, sharding=replicated(plan.mesh))
    initial = Training(
        state=state,
        history=on_devices(epoch.empty_history()),
        best_variables=_copy(state.variables, plan.mesh),
        best_criterion=on_devices(np.float32(-np.inf)),
        best_epoch=on_devices(np.int32(0)),
        seconds=on_devices(np.float32(0.0)),
        examples_per_second=on_devices(np.float32(0.0)),
    )
    if store is None or store.is_empty():
        return 0, initial
    jax.tree.map(lambda leaf: leaf.delete(), initial)  # makes room for what is restored
    step, training, model = store.restore(*_split_model(initial))
    total_steps = plan.epochs * epoch.steps_per_epoch
    if step > total_steps:
        raise UserError(
            f"The checkpoints are of a longer training, of {step:,} steps instead of "
            f"{total_steps:,}: choose another directory."
        )
    note(f"Resuming from step {step:,} of {total_steps:,}.")
    return step, training.replace(best_variables=model)


def _save(store: CheckpointStore, step: int, training: Training) -> float:
    """Saves a checkpoint; returns when the next is due, the later the longer this one took."""
    started = time.monotonic()
    trained = int(training.best_epoch) > 0
    store.save(step, *_split_model(training), model_is_trained=trained)
    finished = time.monotonic()
    return finished + max(SECONDS_BETWEEN_CHECKPOINTS, (finished - started) / SHARE_OF_CHECKPOINTS)


def _split_model(training: Training) -> tuple[Training, Any]:
    """Separates the model of the best epoch, which a checkpoint holds under its own name."""
    return training.replace(best_variables=None), training.best_variables


def _metrics_of(training: Training, step: int, steps_per_epoch: int) -> dict[str, np.ndarray]:
    """Returns the metrics of the step before ``step``; raises UserError if one is not finite."""
    position = (step - 1) % steps_per_epoch
    latest = {name: np.asarray(values)[position] for name, values in training.history.items()}
    for name, value in latest.items():
        if not math.isfinite(value):
            raise UserError(
                f"The {name} is {value} at step {step:,}: try a lower --learning-rate, "
                "or --gradient-clip 1."
            )
    return latest


def _finish_epoch(
    training: Training,
    number: int,
    step: int,
    plan: Plan,
    log: MetricsLog,
    seconds: float,
    throughput: Throughput,
) -> Training:
    """Evaluates, logs, and keeps the model unless an earlier epoch was better."""
    history = {name: np.asarray(values) for name, values in training.history.items()}
    validation = plan.evaluate(training.state.variables)
    learning_rate = float(plan.learning_rate(step)) if plan.learning_rate else None
    log.add_epoch(number, history, validation, learning_rate, seconds)
    speed = throughput.examples_per_second
    console.print(format_epoch(number, plan.epochs, history, validation, speed))
    plan.after_epoch(number, training.state.variables, validation)
    criterion = plan.criterion(validation) if validation else math.inf
    criterion = np.float32(-math.inf if math.isnan(criterion) else criterion)
    criterion = gather(criterion)[0]  # all processes use that of the first
    if criterion < float(training.best_criterion):
        return training
    return training.replace(
        best_variables=_copy(training.state.variables, plan.mesh),
        best_criterion=device_put(criterion, replicated(plan.mesh)),
        best_epoch=device_put(np.int32(number), replicated(plan.mesh)),
    )


def _with_times(training: Training, seconds: float, throughput: Throughput, mesh: Mesh) -> Training:
    times = {"seconds": seconds, "examples_per_second": throughput.examples_per_second}
    times = {name: np.float32(value) for name, value in times.items()}
    return training.replace(**device_put(times, replicated(mesh)))


def _is_finished(training: Training, step: int, steps_per_epoch: int, plan: Plan) -> bool:
    """Whether all steps are done, or early stopping applies."""
    epochs, best = step // steps_per_epoch, int(training.best_epoch)
    return step >= plan.epochs * steps_per_epoch or 0 < plan.patience <= epochs - best


@partial(jax.jit, static_argnums=1)
def _copy(tree: Any, mesh: Mesh) -> Any:
    """Copies arrays into new buffers, which survive the donation of the originals."""
    return constrain_state(jax.tree.map(jnp.copy, tree), mesh)
