import contextlib
import re
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_training as small

from jaxdl.errors import UserError
from jaxdl.runs import Run
from jaxdl.training import loop, pace
from jaxdl.training.checkpoints import CheckpointStore, load_model
from jaxdl.training.interruption import InterruptedTraining

TOTAL_STEPS = 4 * small.STEPS_PER_EPOCH


@pytest.fixture
def run(tmp_path):
    return new_run(tmp_path)


def new_run(runs_dir):
    return Run.create("tiny", runs_dir, 0, {}, ("a", "b", "c"))


def fit(run, **changes):
    data = small.new_data()
    return loop.fit(run, small.new_state(), small.step, data, small.new_plan(**changes))


def last_checkpoint(run):
    """The newest checkpoint but for its times, which no two runs share."""
    data = small.new_data()
    with CheckpointStore(run.checkpoints) as store:
        step, training = loop._begin(store, small.new_state(), small.step, data, small.new_plan())
    return step, training.replace(seconds=None, examples_per_second=None)


def metrics(run):
    return [
        {name: value for name, value in record.items() if name != "seconds"}
        for record in run.read_metrics()
    ]


def epochs(run):
    return [record for record in run.read_metrics() if "epoch" in record]


def assert_same_training(run, trained, other_run, other):
    small.assert_same_bits(trained.variables, other.variables)
    assert (trained.best_epoch, trained.epochs, trained.steps) == (
        *(other.best_epoch, other.epochs),
        other.steps,
    )
    (step, checkpoint), (other_step, other_checkpoint) = map(last_checkpoint, (run, other_run))
    assert step == other_step
    small.assert_same_bits(checkpoint, other_checkpoint)
    assert metrics(run) == metrics(other_run)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run = new_run(tmp_path_factory.mktemp("uninterrupted"))
    return run, fit(run)


@pytest.fixture
def single_steps(monkeypatch):
    with monkeypatch.context() as patches:
        patches.setattr(pace, "SECONDS_PER_CALL", 0.0)
        yield patches


@pytest.fixture
def call_at(single_steps):
    """Does something after the step given, until told to stop doing so."""

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


@pytest.mark.parametrize("step", [1, small.STEPS_PER_EPOCH, 12, TOTAL_STEPS])
def test_an_interrupted_and_resumed_run_is_the_uninterrupted_one(run, uninterrupted, call_at, step):
    leave_alone = call_at(step, interrupt)
    message = (
        rf"^Stopped at step {step} of 20\. Go on with: .* --resume {re.escape(str(run.directory))}$"
    )
    with pytest.raises(InterruptedTraining, match=message):
        fit(run)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    leave_alone()
    trained = fit(run)
    assert trained.seconds_before > 0
    assert_same_training(run, trained, *uninterrupted)


def test_batches_of_examples_of_similar_lengths_are_resumed_to_the_same_bits(
    run, uninterrupted, call_at, tmp_path_factory
):
    lengths = np.arange(small.BATCH_SIZE * small.STEPS_PER_EPOCH + 2) % 7
    other_run = new_run(tmp_path_factory.mktemp("grouped"))
    other = fit(other_run, lengths=lengths)
    assert metrics(other_run) != metrics(uninterrupted[0])
    leave_alone = call_at(7, interrupt)
    with pytest.raises(InterruptedTraining):
        fit(run, lengths=lengths)
    leave_alone()
    assert_same_training(run, fit(run, lengths=lengths), other_run, other)


def test_a_run_interrupted_during_evaluation_keeps_that_epoch(run, uninterrupted):
    def interrupted_validation(variables):
        interrupt()
        return small.validate(variables)

    for finished in (1, 2):
        with pytest.raises(InterruptedTraining):
            fit(run, evaluate=interrupted_validation)
        assert [record["epoch"] for record in epochs(run)] == list(range(1, finished + 1))
    assert_same_training(run, fit(run), *uninterrupted)


def test_a_run_that_crashed_goes_on_from_its_last_checkpoint(
    run, uninterrupted, call_at, monkeypatch
):
    def crash():
        raise MemoryError

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    leave_alone = call_at(13, crash)
    with pytest.raises(MemoryError):
        fit(run)
    run.log({"step": 14, "train_loss": 0.0})  # the log is ahead of the checkpoint
    leave_alone()
    assert last_checkpoint(run)[0] == 12
    assert_same_training(run, fit(run), *uninterrupted)


def test_a_training_says_once_how_long_it_will_take(run, single_steps, capsys):
    fit(run)
    lines = [line for line in capsys.readouterr().err.splitlines() if "will take" in line]
    assert lines == ["The training will take about 0 seconds."]


def test_a_finished_run_stays_as_it_is_when_resumed(run, uninterrupted):
    fit(run)
    assert_same_training(run, fit(run), *uninterrupted)


def test_a_finished_run_can_be_given_more_epochs(run, uninterrupted):
    fit(run, epochs=2)
    assert_same_training(run, fit(run, epochs=4), *uninterrupted)


def test_the_log_has_the_steps_and_the_epochs(uninterrupted):
    run, trained = uninterrupted
    assert trained.steps == TOTAL_STEPS
    assert trained.examples_per_second > 0
    assert [record["step"] for record in run.read_metrics() if "epoch" not in record] == list(
        range(1, TOTAL_STEPS + 1)
    )
    for number, record in enumerate(epochs(run), 1):
        assert record["epoch"] == number
        assert record["step"] == number * small.STEPS_PER_EPOCH
        assert record["learning_rate"] == pytest.approx(0.01)
        steps = [r for r in run.read_metrics() if r["step"] <= record["step"] and "epoch" not in r]
        losses = [r["train_loss"] for r in steps[-small.STEPS_PER_EPOCH :]]
        assert record["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)
        assert {"validation_loss", "validation_accuracy", "train_accuracy"} < set(record)
    seconds = [record["seconds"] for record in epochs(run)]
    assert seconds == sorted(seconds)


@pytest.fixture
def scores():
    """Options of a plan that scores the epochs as given, and the models it has scored."""

    def arrange(*values):
        remaining, scored = iter(values), []

        def evaluate(variables):
            scored.append(jax.tree.map(np.array, variables))
            return {"accuracy": next(remaining)}

        return {"evaluate": evaluate}, scored

    return arrange


@pytest.mark.parametrize(
    ("values", "best"),
    [((0.5, 0.9, 0.7, 0.8), 2), ((0.5, 0.9, 0.9, 0.8), 3), ((0.1, 0.1, 0.1, 0.1), 4)],
    ids=["the best", "the later of two as good", "the last of all as good"],
)
def test_the_epoch_reported_is(run, scores, values, best):
    options, scored = scores(*values)
    trained = fit(run, **options)
    assert (trained.best_epoch, trained.epochs) == (best, 4)
    small.assert_same_bits(trained.variables, scored[best - 1])
    small.assert_same_bits(load_model(run.checkpoints), trained.variables)


def test_without_validation_the_last_epoch_is_reported(run):
    trained = fit(run, epochs=2, evaluate=lambda variables: {})
    assert trained.best_epoch == 2
    assert not any(name.startswith("validation") for r in run.read_metrics() for name in r)


def test_patience_stops_a_training_that_stays_stopped(run, scores):
    options, _ = scores(0.5, 0.9, 0.8, 0.7, 1.0)
    trained = fit(run, epochs=9, patience=2, **options)
    assert (trained.best_epoch, trained.epochs, trained.steps) == (2, 4, 20)
    options, scored = scores(1.0)
    again = fit(run, epochs=9, patience=2, **options)
    assert not scored
    assert (again.best_epoch, again.epochs) == (2, 4)
    small.assert_same_bits(again.variables, trained.variables)


@pytest.mark.usefixtures("single_steps")
def test_a_loss_that_is_no_number_is_one_clear_line_that_names_step_and_option(run):
    def step(state, batch, key):
        state, metrics = small.step(state, batch, key)
        return state, metrics | {"loss": jnp.where(state.step == 7, jnp.nan, metrics["loss"])}

    with pytest.raises(UserError, match=r"^The loss is nan at step 7: .*--learning-rate.*$"):
        loop.fit(run, small.new_state(), step, small.new_data(), small.new_plan())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
