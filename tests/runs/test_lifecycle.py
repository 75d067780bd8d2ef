import dataclasses
import json

import numpy as np
import pytest
from small_experiment import Config, summarise

from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.runs import lifecycle
from jaxdl.runs.experiment import Result, draw_figures
from jaxdl.runs.figures import learning_curves
from jaxdl.runs.inputs import Examples
from jaxdl.runs.lifecycle import create_or_resume_run
from jaxdl.runs.options import RunOptions
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.plan import Trained


def make_examples(**changes):
    """Makes three splits of images; the number of a split changes one pixel of it."""
    splits = {}
    for name in ("train", "validation", "test"):
        images = np.zeros((4, 2, 2, 1), np.uint8)
        images[3, 1, 1] = changes.get(name, 0)
        splits[name] = {"image": images, "label": np.arange(4, dtype=np.int32)}
    dataset = Dataset("mnist", **splits, class_names=("a", "b"))
    return Examples(dataset, dataset)


@pytest.fixture
def config(tmp_path):
    return Config(run=RunOptions(runs_dir=tmp_path / "runs"))


@pytest.fixture
def trained(config):
    """Creates a run that has a checkpoint and metrics."""
    with create_or_resume_run("tiny", config, make_examples()) as run:
        run.metrics_log().add({"step": 1})
        (run.checkpoints / "1").mkdir(parents=True)
    return run


def resuming(run):
    options = RunOptions(resume=run.directory, runs_dir=run.directory.parent.parent)
    return Config(run=options)


def test_a_run_is_resumed_with_the_same_data_only(trained):
    with create_or_resume_run("tiny", resuming(trained), make_examples()) as run:
        assert run.data == trained.data
    before = (trained.directory / "config.json").read_bytes()
    for split in ("train", "validation", "test"):
        other = make_examples(**{split: 1})
        with (
            pytest.raises(UserError, match=rf"trained on other data than .*\(different: {split}; "),
            create_or_resume_run("tiny", resuming(trained), other),
        ):
            pass
    assert (trained.directory / "config.json").read_bytes() == before


def test_the_seeds_of_a_group_have_the_same_data(config, trained):
    options = {"group": trained.directory.name, "seed": 1}
    second = dataclasses.replace(config, run=dataclasses.replace(config.run, **options))
    with create_or_resume_run("tiny", second, make_examples()) as run:
        assert run.data == trained.data
    with (
        pytest.raises(
            UserError,
            match=r"was trained on other data than .*\(different: train; .* then, .* now\): bring",
        ),
        create_or_resume_run("tiny", second, make_examples(train=1)),
    ):
        pass


def test_processes_have_the_same_data(config, monkeypatch):
    first = lifecycle.checksums_of(make_examples(train=1))
    texts = iter([None, json.dumps(first)])
    monkeypatch.setattr(lifecycle, "text_of_first", lambda text: next(texts) or text)
    with (
        pytest.raises(UserError, match=r"^Process 0 has other data in .* than the first process"),
        create_or_resume_run("tiny", config, make_examples()),
    ):
        pass
    assert not config.run.runs_dir.exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UserError("The loss is nan.")])
def test_a_run_that_stops_before_anything_is_trained_is_removed(config, error, capsys):
    with pytest.raises(type(error)), create_or_resume_run("tiny", config, make_examples()) as run:
        raise error
    assert not run.directory.exists()
    line = f"Removed {run.directory}, since nothing had been trained yet.\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("error", [ZeroDivisionError(), InterruptedTraining("Stopped.")])
def test_a_run_that_has_trained_is_kept(config, trained, error, capsys):
    with pytest.raises(type(error)), create_or_resume_run("tiny", config, make_examples()) as run:
        run.metrics_log().add({"step": 1})
        raise error
    (trained.checkpoints / "1").rmdir()
    (trained.directory / "metrics.jsonl").unlink()
    with (
        pytest.raises(type(error)),
        create_or_resume_run("tiny", resuming(trained), make_examples()),
    ):
        raise error
    assert run.directory.exists() and trained.directory.exists()
    assert "Removed" not in capsys.readouterr().err


def test_a_run_that_is_interrupted_while_it_is_scored_says_how_to_resume(config):
    message = r"^Interrupted\. Resume with: python -m experiments\.tiny --resume "
    with (
        pytest.raises(InterruptedTraining, match=message),
        create_or_resume_run("tiny", config, make_examples()) as run,
    ):
        run.metrics_log().add({"step": 1})
        raise KeyboardInterrupt


def test_a_run_that_has_lost_its_checkpoints_says_so(trained, capsys):
    (trained.checkpoints / "1").rmdir()
    with create_or_resume_run("tiny", resuming(trained), make_examples()):
        line = f"{trained.checkpoints} holds no checkpoint: the training starts from its beginning."
        assert capsys.readouterr().err.splitlines() == [line]


def collect(run, steps_before):
    trained = Trained({}, [], 1, 2, 8, steps_before, 1.0, 0.0, 5.0)
    scores = {"test_accuracy": 0.75}
    return lifecycle.summarise(run, Config(), "mnist", trained, 10, scores, 2.0)


def test_a_finished_run_keeps_its_times_when_it_is_resumed(trained):
    earlier = summarise(0) | {"device_kind": "abacus"}
    trained.write_summary(earlier)
    summary = collect(trained, steps_before=8)
    for name in ("seconds_total", "seconds_compile", "examples_per_second", "date", "device_kind"):
        assert summary[name] == earlier[name]
    assert summary["test_accuracy"] == 0.75
    assert collect(trained, steps_before=4)["seconds_total"] == 3.0
    trained.summary.write_text("{}")
    assert collect(trained, steps_before=8)["seconds_total"] == 3.0


def test_a_figure_that_fails_is_a_remark_and_the_others_are_drawn(trained, capsys):
    drawn = []

    def draw_curves(result):
        learning_curves(result.run.read_metrics(), result.run.figures / "curves.png")

    def draw_nothing(result):
        raise IndexError

    result = Result(trained, Config(), make_examples().dataset, None, {}, {})
    (trained.directory / "metrics.jsonl").write_bytes(b"\0" * 50 + b"\n")
    draw_figures((draw_nothing, draw_curves, drawn.append), result)
    assert drawn == [result]
    assert capsys.readouterr().err.splitlines() == [
        "A figure was not drawn (draw_nothing: IndexError).",
        f"{trained.directory / 'metrics.jsonl'} has 1 damaged line, which is left out.",
        "A figure was not drawn (draw_curves: metrics.jsonl has no record of an epoch).",
    ]
