import math
import signal

import jax
import numpy as np
import pytest
import small_training as small
from logged_training import (
    TOTAL_STEPS,
    assert_same_training,
    checkpoints_of,
    fit,
    interrupt,
    last_checkpoint,
    read_log,
    without_seconds,
)

from jaxdl.errors import UserError
from jaxdl.training import loop
from jaxdl.training.checkpoints import CheckpointStore
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.metrics_log import MetricsLog


def test_the_initial_state_is_freed_before_another_is_restored(tmp_path, monkeypatch):
    fit(tmp_path, epochs=1)
    plan, state, data = small.new_plan(), small.new_state(), small.new_data()
    epoch = CompiledEpoch(small.step, state, data, plan.batch_size, plan.seed, plan.mesh)
    restore, freed = CheckpointStore.restore, []

    def restore_and_look(*arguments):
        freed.extend(leaf.is_deleted() for leaf in jax.tree.leaves(state))
        return restore(*arguments)

    monkeypatch.setattr(CheckpointStore, "restore", restore_and_look)
    with CheckpointStore(checkpoints_of(tmp_path)) as store:
        step, _ = loop._init_or_restore(store, state, epoch, plan)
    assert step == small.STEPS_PER_EPOCH
    assert freed
    assert all(freed)


@pytest.mark.usefixtures("single_steps")
def test_resuming_within_an_epoch_that_was_logged_logs_it_once(
    tmp_path, uninterrupted, monkeypatch
):
    """The later checkpoints are damaged, or could not be written."""
    directory, trained = uninterrupted
    save = CheckpointStore.save
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(loop, "SHARE_OF_CHECKPOINTS", math.inf)
    monkeypatch.setattr(
        CheckpointStore,
        "save",
        lambda store, step, *more, **rest: step < 3 and save(store, step, *more, **rest),
    )
    fit(tmp_path)
    monkeypatch.undo()
    assert_same_training(tmp_path, fit(tmp_path), directory, trained)


@pytest.mark.parametrize("step", [1, small.STEPS_PER_EPOCH, 12, TOTAL_STEPS])
def test_an_interrupted_and_resumed_training_is_bitwise_identical(
    tmp_path, uninterrupted, call_at, step, capsys
):
    disarm = call_at(step, interrupt)
    with pytest.raises(InterruptedTraining, match=rf"^Stopped at step {step} of 20\.$"):
        fit(tmp_path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "Resuming" not in capsys.readouterr().err
    disarm()
    trained = fit(tmp_path)
    assert f"Resuming from step {step} of 20.\n" in capsys.readouterr().err
    assert trained.seconds_before > 0
    assert_same_training(tmp_path, trained, *uninterrupted)


@pytest.mark.slow
def test_batches_grouped_by_length_are_resumed_bitwise_identically(
    tmp_path, uninterrupted, call_at, tmp_path_factory
):
    lengths = np.arange(small.BATCH_SIZE * small.STEPS_PER_EPOCH + 2) % 7
    other_directory = tmp_path_factory.mktemp("grouped")
    other = fit(other_directory, lengths=lengths)
    assert without_seconds(other.history) != without_seconds(uninterrupted[1].history)
    disarm = call_at(7, interrupt)
    with pytest.raises(InterruptedTraining):
        fit(tmp_path, lengths=lengths)
    disarm()
    assert_same_training(tmp_path, fit(tmp_path, lengths=lengths), other_directory, other)


def test_an_epoch_interrupted_during_its_evaluation_is_kept(tmp_path, uninterrupted):
    def interrupted_validation(variables):
        interrupt()
        return small.validate(variables)

    for finished in (1, 2):
        with pytest.raises(InterruptedTraining):
            fit(tmp_path, evaluate=interrupted_validation)
        numbers = [record["epoch"] for record in read_log(tmp_path) if "epoch" in record]
        assert numbers == list(range(1, finished + 1))
    assert_same_training(tmp_path, fit(tmp_path), *uninterrupted)


def test_a_training_that_crashed_resumes_from_its_last_checkpoint(
    tmp_path, uninterrupted, call_at, monkeypatch
):
    def crash():
        raise MemoryError

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(loop, "SHARE_OF_CHECKPOINTS", math.inf)
    disarm = call_at(13, crash)
    with pytest.raises(MemoryError):
        fit(tmp_path)
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.add({"step": 14, "train_loss": 0.0})  # the log is ahead of the checkpoint
    disarm()
    assert last_checkpoint(tmp_path)[0] == 12
    assert_same_training(tmp_path, fit(tmp_path), *uninterrupted)


def test_checkpoints_hold_the_model_once_and_take_a_twentieth_of_the_time(tmp_path, monkeypatch):
    plan, state, data = small.new_plan(), small.new_state(), small.new_data()
    epoch = CompiledEpoch(small.step, state, data, plan.batch_size, plan.seed, plan.mesh)
    now, saved = [100.0], []
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])

    class Store:
        seconds = 0.1

        def save(self, step, training, model, model_is_trained):
            saved.append((training, model))
            now[0] += self.seconds

        def restore(self, *_):
            return None

        def is_empty(self):
            return True

    step, training = loop._init_or_restore(Store(), state, epoch, plan)
    assert loop._save(Store(), step, training) == pytest.approx(now[0] + 30)
    Store.seconds = 6.0
    assert loop._save(Store(), step, training) == pytest.approx(now[0] + 120)
    kept, model = saved[-1]
    assert kept.best_variables is None
    assert model is training.best_variables


def test_resuming_a_finished_training_changes_nothing(tmp_path, uninterrupted):
    fit(tmp_path)
    assert_same_training(tmp_path, fit(tmp_path), *uninterrupted)


def test_a_finished_training_can_be_given_more_epochs(tmp_path, uninterrupted):
    fit(tmp_path, epochs=2)
    assert_same_training(tmp_path, fit(tmp_path, epochs=4), *uninterrupted)


def test_the_checkpoints_of_a_longer_training_are_a_clear_error(tmp_path):
    fit(tmp_path, epochs=2)
    with pytest.raises(UserError, match="of 10 steps instead of 5: choose another directory"):
        fit(tmp_path, epochs=1)
