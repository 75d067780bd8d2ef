import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.training.metrics_log import MetricsLog, format_epoch, format_metrics, read_records


@pytest.mark.parametrize("steps", [1, 7, 20, 45])
def test_an_epoch_has_up_to_twenty_records_whose_means_cover_every_step(steps):
    log = MetricsLog()
    losses = np.random.default_rng(0).random(steps).astype(np.float32)
    log.add_epoch(3, {"loss": losses}, {"accuracy": 0.5}, learning_rate=0.25, seconds=1.23456)
    *points, whole = log.records
    ends = [record["step"] - 2 * steps for record in points]
    assert len(points) == min(20, steps)
    assert ends[-1] == steps
    for start, end, record in zip([0, *ends], ends, points, strict=False):
        assert record["train_loss"] == pytest.approx(losses[start:end].mean(), rel=1e-5)
    assert whole == {
        "step": 3 * steps,
        "epoch": 3,
        "train_loss": pytest.approx(losses.mean(), rel=1e-5),
        "validation_accuracy": 0.5,
        "learning_rate": 0.25,
        "seconds": 1.235,
    }


def test_an_unknown_learning_rate_is_omitted():
    log = MetricsLog()
    log.add_epoch(1, {"loss": np.ones(2)}, {}, learning_rate=None, seconds=1.0)
    assert log.records[-1] == {"step": 2, "epoch": 1, "train_loss": 1.0, "seconds": 1.0}


NUMBERS = strategies.floats(width=32, allow_nan=False)
NAMES = strategies.text(max_size=5).map("train_{}".format)
RECORDS = strategies.builds(
    lambda step, metrics: {"step": step, **metrics},
    strategies.integers(0, 30),
    strategies.dictionaries(NAMES, NUMBERS, max_size=3),
)
EPOCHS = strategies.builds(
    lambda epoch, losses, validation, rate: (
        *(epoch, {"loss": np.array(losses, np.float32)}, validation),
        *(rate, 1.25 * epoch),
    ),
    strategies.integers(1, 4),
    strategies.lists(NUMBERS, min_size=1, max_size=25),
    strategies.dictionaries(NAMES, NUMBERS, max_size=2),
    strategies.none() | NUMBERS,
)
ACTIONS = strategies.one_of(
    strategies.tuples(strategies.just("add"), RECORDS),
    strategies.tuples(strategies.just("add_epoch"), EPOCHS),
    strategies.tuples(strategies.just("drop_after"), strategies.integers(0, 100)),
    strategies.tuples(strategies.just("open again"), strategies.none()),
)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.filterwarnings("ignore:invalid value encountered")
@settings(deadline=None, max_examples=50)
@given(strategies.lists(ACTIONS, max_size=10))
def test_a_log_in_memory_and_one_in_a_file_behave_alike(tmp_path_factory, actions):
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    in_memory, in_file = MetricsLog(), MetricsLog(path)
    for action, argument in actions:
        if action == "open again":
            in_file = MetricsLog(path)
        elif action == "add_epoch":
            in_memory.add_epoch(*argument)
            in_file.add_epoch(*argument)
        else:
            getattr(in_memory, action)(argument)
            getattr(in_file, action)(argument)
        expected = json.dumps(in_memory.records)  # as text, since a mean of infinities is not equal
        assert json.dumps(in_file.records) == expected
        assert json.dumps(read_records(path)) == expected


def test_the_records_of_a_log_do_not_change_with_it():
    log = MetricsLog()
    log.add({"step": 1})
    records = log.records
    log.add({"step": 2})
    assert records == [{"step": 1}]


def test_a_last_line_that_was_cut_off_is_ignored_and_removed_on_resuming(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3, "train_lo')
    log = MetricsLog(path)
    assert log.records == read_records(path) == [{"step": 1}, {"step": 2}]
    log.drop_after(2)
    log.add({"step": 3})
    assert read_records(path) == [{"step": 1}, {"step": 2}, {"step": 3}]


DAMAGED = (
    *(b'{"step": 1', b"\0" * 40, b"\xff\xfe", b"", b"null", b"[1]", b"{}", b"[" * 100_000),
    *(b'{"step": "1"}', b'{"step": 1.5}', b'{"step": 1, "train_loss": "high"}'),
)


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_is_left_out_with_a_remark_and_removed_on_resuming(tmp_path, line, capsys):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 2}\n')
    log = MetricsLog(path)
    assert log.records == read_records(path) == [{"step": 1}, {"step": 2}]
    assert capsys.readouterr().err.splitlines() == 2 * [
        f"{path} has 1 damaged line, which is left out."
    ]
    log.drop_after(2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


@settings(deadline=None)
@given(strategies.binary(max_size=200))
def test_no_content_of_a_file_is_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    path.write_bytes(content)
    log = MetricsLog(path)
    log.drop_after(10, epochs=2)
    log.add({"step": 11})
    assert read_records(path) == log.records


def test_resuming_says_what_is_cut_and_what_is_lost(capsys):
    log = MetricsLog()
    for record in ({"step": 4}, {"step": 8, "epoch": 1}, {"step": 12}, {"step": 16, "epoch": 2}):
        log.add(record)
    log.drop_after(20, epochs=2)
    assert capsys.readouterr().err == ""
    log.drop_after(11, epochs=1)
    log.drop_after(8, epochs=3)
    assert capsys.readouterr().err.splitlines() == [
        "Dropped 2 lines of metrics after step 11, which will be logged again.",
        "The metrics of 2 of the 3 epochs so far are lost.",
    ]


def test_a_log_that_cannot_be_written_is_a_remark_and_is_completed_later(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.add({"step": 1})
    path.unlink()
    path.mkdir()  # as good as a full disk
    log.add({"step": 2})
    log.add({"step": 3})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path} cannot be written (")
    path.rmdir()
    log.add({"step": 4})
    assert read_records(path) == log.records == [{"step": step} for step in (1, 2, 3, 4)]


def test_a_file_that_does_not_exist_has_no_records(tmp_path):
    assert read_records(tmp_path / "metrics.jsonl") == []


def test_metrics_are_formatted_in_the_order_of_their_names():
    assert format_metrics({"loss": 0.5, "accuracy": 0.25}) == "accuracy 0.2500  loss 0.5000"


def test_the_line_of_an_epoch_has_training_validation_and_throughput():
    history = {"loss": np.array([1.0, 2.0]), "accuracy": np.array([0.0, 1.0])}
    line = format_epoch(3, 10, history, {"accuracy": 0.75}, 1234.5)
    train = "train accuracy 0.5000  loss 1.5000"
    assert line == f"epoch  3/10  {train}  validation accuracy 0.7500  1,234 examples/s"
    assert format_epoch(3, 9, history, {}, 10.0) == f"epoch 3/9  {train}  10 examples/s"
