import math
import signal
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small_training as small
from logged_training import TOTAL_STEPS, checkpoints_of, fit, interrupt, read_log, without_seconds

from jaxdl.errors import UserError
from jaxdl.training import loop
from jaxdl.training.checkpoints import load_model
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.metrics_log import read_records


def test_the_duration_of_a_training_is_printed_once(tmp_path, single_steps, capsys):
    fit(tmp_path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "will take" in line]
    assert lines == ["The training will take about 0 seconds."]


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
