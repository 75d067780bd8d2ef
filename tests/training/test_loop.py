import contextlib
import math
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_training as small

from jaxdl.errors import UserError
from jaxdl.training import loop, throughput
from jaxdl.training.checkpoints import CheckpointStore, load_model
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.metrics_log import MetricsLog, read_records

TOTAL_STEPS = 4 * small.STEPS_PER_EPOCH


def checkpoints_of(directory):
    return directory / "checkpoints"


def read_log(directory):
    return read_records(directory / "metrics.jsonl")


def fit(directory, step=small.step, **changes):
    """Trains with checkpoints and a log in a directory, as the experiments do."""
    return loop.fit(
        small.new_state(),
        step,
        small.new_data(),
        small.new_plan(**changes),
        checkpoints_of(directory),
        MetricsLog(directory / "metrics.jsonl"),
    )


def last_checkpoint(directory):
    """The newest checkpoint, without its times, which differ between any two trainings."""
    plan, state, data = small.new_plan(), small.new_state(), small.new_data()
    epoch = CompiledEpoch(small.step, state, data, plan.batch_size, plan.seed, plan.mesh)
    with CheckpointStore(checkpoints_of(directory)) as store:
        step, training = loop._init_or_restore(store, state, epoch, plan)
    return step, training.replace(seconds=None, examples_per_second=None)


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


def without_seconds(records):
    return [
        {name: value for name, value in record.items() if name != "seconds"} for record in records
    ]


def assert_same_training(directory, trained, other_directory, other):
    small.assert_bitwise_identical(trained.variables, other.variables)
    assert (trained.best_epoch, trained.epochs, trained.steps) == (
        *(other.best_epoch, other.epochs),
        other.steps,
    )
    (step, checkpoint), (other_step, other_checkpoint) = map(
        last_checkpoint, (directory, other_directory)
    )
    assert step == other_step
    small.assert_bitwise_identical(checkpoint, other_checkpoint)
    assert without_seconds(read_log(directory)) == without_seconds(read_log(other_directory))
    for one, where in ((trained, directory), (other, other_directory)):
        assert one.history == read_log(where)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    return directory, fit(directory)


@pytest.fixture
def single_steps(monkeypatch):
    """Makes each call one step long."""
    with monkeypatch.context() as patches:
        patches.setattr(throughput, "SECONDS_PER_CALL", 0.0)
        yield patches


@pytest.fixture
def call_at(single_steps):
    """Calls a function once after a step of a training; what this returns turns that off."""

    def arrange(step, action):
        reached = []

        @contextlib.contextmanager
        def progress(*_):
            def show(completed, note):
                if completed == step and not reached:
                    reached.append(step)
                    action()

            yield show

        single_steps.setattr(loop, "progress", progress)
        return single_steps.undo

    return arrange


def interrupt():
    signal.raise_signal(signal.SIGINT)


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


def test_the_duration_of_a_training_is_printed_once(tmp_path, single_steps, capsys):
    fit(tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "will take" in line]
    assert lines == ["The training will take about 0 seconds."]


def test_resuming_a_finished_training_changes_nothing(tmp_path, uninterrupted):
    fit(tmp_path)
    assert_same_training(tmp_path, fit(tmp_path), *uninterrupted)


def test_a_finished_training_can_be_given_more_epochs(tmp_path, uninterrupted):
    fit(tmp_path, epochs=2)
    assert_same_training(tmp_path, fit(tmp_path, epochs=4), *uninterrupted)


def test_without_checkpoints_and_log_the_training_is_the_same(uninterrupted):
    trained = loop.fit(small.new_state(), small.step, small.new_data(), small.new_plan())
    _, other = uninterrupted
    small.assert_bitwise_identical(trained.variables, other.variables)
    assert without_seconds(trained.history) == without_seconds(other.history)
    assert trained.seconds_before == 0


def test_each_training_in_memory_has_a_history_of_its_own():
    first, second = (
        loop.fit(small.new_state(), small.step, small.new_data(), small.new_plan(epochs=1))
        for _ in range(2)
    )
    assert without_seconds(first.history) == without_seconds(second.history)


@pytest.mark.parametrize("kind", [Path, str])
def test_checkpoints_without_a_log_keep_the_history_beside_them(
    tmp_path, uninterrupted, call_at, kind
):
    directory = tmp_path / "digits"
    arguments = (small.new_data(), small.new_plan(), kind(directory))
    disarm = call_at(12, interrupt)
    with pytest.raises(InterruptedTraining):
        loop.fit(small.new_state(), small.step, *arguments)
    disarm()
    trained = loop.fit(small.new_state(), small.step, *arguments)
    small.assert_bitwise_identical(trained.variables, uninterrupted[1].variables)
    assert without_seconds(trained.history) == without_seconds(uninterrupted[1].history)
    assert read_records(tmp_path / "digits.jsonl") == trained.history


def test_an_interruption_without_checkpoints_says_that_nothing_was_saved(call_at):
    call_at(3, interrupt)
    with pytest.raises(InterruptedTraining, match=r"^Stopped at step 3 of 20\. Nothing was saved"):
        loop.fit(small.new_state(), small.step, small.new_data(), small.new_plan())


def test_the_checkpoints_of_a_longer_training_are_a_clear_error(tmp_path):
    fit(tmp_path, epochs=2)
    with pytest.raises(UserError, match="of 10 steps instead of 5: choose another directory"):
        fit(tmp_path, epochs=1)


def test_a_log_without_a_learning_rate_omits_it():
    plan = small.new_plan(epochs=1, learning_rate=None)
    trained = loop.fit(small.new_state(), small.step, small.new_data(), plan)
    assert not any("learning_rate" in record for record in trained.history)


def test_the_log_has_the_steps_and_the_epochs(uninterrupted):
    directory, trained = uninterrupted
    records = read_log(directory)
    assert trained.steps == TOTAL_STEPS
    assert trained.examples_per_second > 0
    assert [record["step"] for record in records if "epoch" not in record] == list(
        range(1, TOTAL_STEPS + 1)
    )
    for number, record in enumerate(trained.epoch_history, 1):
        assert record["epoch"] == number
        assert record["step"] == number * small.STEPS_PER_EPOCH
        assert record["learning_rate"] == pytest.approx(0.01)
        steps = [r for r in records if r["step"] <= record["step"] and "epoch" not in r]
        losses = [r["train_loss"] for r in steps[-small.STEPS_PER_EPOCH :]]
        assert record["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert {"validation_loss", "validation_accuracy", "train_accuracy"} < set(record)
    seconds = [record["seconds"] for record in trained.epoch_history]
    assert seconds == sorted(seconds)


@pytest.fixture
def scores():
    """Options of a plan that gives the epochs certain scores, and the models it has scored."""

    def arrange(*values):
        remaining, scored = iter(values), []

        def evaluate(variables):
            scored.append(jax.tree.map(np.array, variables))
            return {"accuracy": next(remaining)}

        return {"evaluate": evaluate}, scored

    return arrange


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ((0.5, 0.9, 0.7, 0.8), 2),
        ((0.5, 0.9, 0.9, 0.8), 3),
        ((0.1, 0.1, 0.1, 0.1), 4),
        ((math.nan, 0.9, math.nan, 0.2), 2),
        ((math.nan,) * 4, 4),
    ],
    ids=["the best", "the later of two equal ones", "the last if all are equal", "no NaN", "NaN"],
)
def test_the_epoch_reported_is(tmp_path, scores, values, best):
    options, scored = scores(*values)
    trained = fit(tmp_path, **options)
    assert (trained.best_epoch, trained.epochs) == (best, 4)
    small.assert_bitwise_identical(trained.variables, scored[best - 1])
    small.assert_bitwise_identical(load_model(checkpoints_of(tmp_path)), trained.variables)


def test_another_score_of_the_same_metrics_can_choose_the_epoch(tmp_path, scores):
    options, _ = scores(0.5, 0.9, 0.2, 0.8)
    assert fit(tmp_path, criterion=lambda metrics: -metrics["accuracy"], **options).best_epoch == 3


def test_without_validation_the_last_epoch_is_reported(tmp_path):
    trained = fit(tmp_path, epochs=2, evaluate=lambda variables: {})
    assert trained.best_epoch == 2
    assert not any(name.startswith("validation") for r in trained.history for name in r)


def test_early_stopping_stops_a_training_and_resuming_does_not_continue_it(tmp_path, scores):
    options, _ = scores(0.5, 0.9, 0.8, 0.7, 1.0)
    trained = fit(tmp_path, epochs=9, patience=2, **options)
    assert (trained.best_epoch, trained.epochs, trained.steps) == (2, 4, 20)
    options, scored = scores(1.0)
    again = fit(tmp_path, epochs=9, patience=2, **options)
    assert not scored
    assert (again.best_epoch, again.epochs) == (2, 4)
    small.assert_bitwise_identical(again.variables, trained.variables)


@pytest.mark.usefixtures("single_steps")
def test_a_loss_that_is_not_finite_is_a_clear_error_with_step_and_option(tmp_path):
    def step(state, batch, key):
        state, metrics = small.step(state, batch, key)
        return state, metrics | {"loss": jnp.where(state.step == 7, jnp.nan, metrics["loss"])}

    with pytest.raises(UserError, match=r"^The loss is nan at step 7: .*--learning-rate.*$"):
        fit(tmp_path, step)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
