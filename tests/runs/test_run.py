import itertools
import json
import os
import shlex
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from jaxdl.errors import UsageError, UserError
from jaxdl.files import with_checksum, write_json
from jaxdl.runs import Run
from jaxdl.runs.run import FORMAT

SUMMARY = {
    "experiment": "tiny",
    "dataset": "mnist",
    "date": "today",
    "options": {},
    "seed": 0,
    "epochs": 2,
    "best_epoch": 1,
    "steps": 8,
    "parameters": 10,
    "seconds_total": 1.5,
    "seconds_compile": 0.5,
    "examples_per_second": 9.0,
    "test_accuracy": 0.5,
}
FILES = ("config.json", "metrics.jsonl", "summary.json")
OPTIONS = {"epochs": 3, "resume": None, "learning_rate": 0.1, "data_dir": "data"}


@pytest.fixture
def run(tmp_path):
    return Run.create("tiny", tmp_path / "runs", 7, OPTIONS, ("T-shirt/top", "naïve"), {})


def test_a_created_run_is_opened(run):
    assert Run.open(run.directory) == run
    assert run.options == OPTIONS
    assert run.class_names == ("T-shirt/top", "naïve")


def test_a_run_in_the_home_directory_is_opened(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Run.open(Path("~", run.directory.relative_to(tmp_path))) == run


def test_the_directory_says_experiment_time_and_seed(run, tmp_path):
    assert run.directory.parent == tmp_path / "runs" / "tiny"
    date, time, seed = run.directory.name.split("-")
    assert (len(date), len(time), seed) == (8, 6, "7")
    assert run.figures.is_dir()
    assert run.figures.parent == run.checkpoints.parent == run.directory


def test_runs_of_the_same_second_have_different_directories(tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda _: "20260102-030405")
    names = [Run.create("tiny", tmp_path, 0, {}, (), {}).directory.name for _ in range(3)]
    assert names == [f"20260102-030405-0{suffix}" for suffix in ("", "-2", "-3")]


def test_options_given_later_are_written(run):
    changed = run.with_options(OPTIONS | {"epochs": 9})
    assert changed.options["epochs"] == 9
    assert Run.open(run.directory) == changed


records = strategies.dictionaries(
    strategies.text(max_size=5), strategies.floats(allow_nan=False) | strategies.integers()
).map(lambda metrics: metrics | {"step": 3})


@settings(max_examples=20, deadline=None)
@given(strategies.lists(records, max_size=4))
def test_logged_records_are_read(tmp_path_factory, lines):
    run = Run.create("tiny", tmp_path_factory.mktemp("runs"), 0, {}, (), {})
    log = run.metrics_log()
    for line in lines:
        log.add(line)
    assert run.read_metrics() == log.records == lines


def test_a_record_is_on_disk_when_the_call_returns(run):
    run.metrics_log().add({"step": 1})
    assert (run.directory / "metrics.jsonl").read_text() == '{"step": 1}\n'


def test_what_a_run_writes_is_synced_to_the_disk(run, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    run.metrics_log().add({"step": 1})
    run.with_options({})
    run.write_summary(SUMMARY)
    inodes = [os.stat(run.directory / name).st_ino for name in FILES]  # noqa: PTH116
    assert set(synced) == {*inodes, run.directory.stat().st_ino}


def test_a_last_line_that_was_cut_off_is_ignored_and_dropped(run):
    for step in (1, 2):
        run.metrics_log().add({"step": step})
    path = run.directory / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 3, "lo')
    assert run.read_metrics() == [{"step": 1}, {"step": 2}]
    log = run.metrics_log()
    log.drop_after(5)
    log.add({"step": 3})
    assert [record["step"] for record in run.read_metrics()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("step", "left"), [(0, []), (4, [2, 4, 4]), (5, [2, 4, 4]), (9, [2, 4, 4, 6])]
)
def test_records_after_a_step_are_dropped(run, step, left):
    for logged in (2, 4, 4, 6):
        run.metrics_log().add({"step": logged})
    run.metrics_log().drop_after(step)
    assert [record["step"] for record in run.read_metrics()] == left


def test_a_run_that_has_logged_nothing_has_no_metrics(run):
    assert run.read_metrics() == []
    run.metrics_log().drop_after(0)
    assert run.read_metrics() == []


def test_a_summary_is_read_unless_it_is_damaged(run):
    assert run.read_summary() is None
    run.write_summary(SUMMARY)
    assert run.read_summary() == SUMMARY
    for name, value in itertools.product(SUMMARY, ("many", None, [])):
        if type(value) is not type(SUMMARY[name]):
            run.write_summary(SUMMARY | {name: value})
            assert run.read_summary() is None
    for content in (b"", b"[]", b"\0" * 100, b"[" * 100_000, b"\xff"):
        run.summary.write_bytes(content)
        assert run.read_summary() is None


def test_a_summary_that_cannot_be_written_is_a_remark(run, capsys):
    run.summary.mkdir()
    run.write_summary(SUMMARY)
    assert f"The results cannot be written to {run.summary} (" in capsys.readouterr().err
    assert not list(run.directory.glob("*.tmp"))


def test_a_file_is_written_completely_or_not_at_all(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    assert json.loads(path.read_text()) == {"old": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]


def test_a_directory_without_config_is_wrong_usage(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError, match=r"^.* is not the directory of a run: .*$"):
            Run.open(directory)


WHOLE = {"experiment": "tiny", "options": {}, "class_names": [], "data": {}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"experiment": "tiny", "options"',
        b"\x89PNG\xff",
        b"null",
        b"[]",
        b"3",
        {},
        {"experiment": "tiny"},
        WHOLE | {"class_names": None},
        WHOLE | {"class_names": "ab"},
        WHOLE | {"class_names": [1]},
        WHOLE | {"options": []},
        WHOLE | {"experiment": 3},
        WHOLE | {"data": 3},
        b"[" * 100_000,
    ],
)
def test_a_damaged_config_is_one_clear_line(run, content):
    if isinstance(content, dict):
        content = json.dumps(with_checksum({"format": FORMAT} | content)).encode()
    (run.directory / "config.json").write_bytes(content)
    with pytest.raises(
        UserError, match=r"^.*config\.json is damaged or was changed; .*$"
    ) as failure:
        Run.open(run.directory)
    assert failure.value.exit_status == 1


def test_a_changed_config_is_one_clear_line(run):
    path = run.directory / "config.json"
    for changes in ({"options": OPTIONS | {"epochs": 4}}, {"checksum": None}):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))
        with pytest.raises(UserError, match=r"is damaged or was changed; restore it, or start"):
            Run.open(run.directory)


@pytest.mark.parametrize("format", [None, 1, FORMAT + 1])
def test_a_run_of_another_format_is_one_clear_line(run, format):
    path = run.directory / "config.json"
    config = json.loads(path.read_text())
    assert config.pop("format") == FORMAT
    path.write_text(json.dumps(config | ({"format": format} if format else {})))
    message = r"^.* was made by another version of jaxdl, which .*; train again, or .*\.$"
    with pytest.raises(UserError, match=message) as failure:
        Run.open(run.directory)
    assert str(run.directory) in str(failure.value)
    assert failure.value.exit_status == 1


def test_the_command_to_resume_can_be_copied_to_a_shell(tmp_path):
    run = Run.create("tiny", tmp_path / "my runs", 0, {}, (), {})
    words = shlex.split(run.command_to_resume)
    assert words == ["python", "-m", "experiments.tiny", "--resume", str(run.directory)]


def test_the_command_to_resume_names_module_and_directory(run):
    command = f"python -m experiments.tiny --resume {run.directory}"
    assert run.command_to_resume == command
    assert run.for_another_process(run.directory / "scratch").command_to_resume == command


def test_another_process_reads_the_checkpoints_of_the_first_and_writes_elsewhere(run, tmp_path):
    run.metrics_log().add({"step": 1})
    other = run.for_another_process(tmp_path / "scratch")
    assert (other.checkpoints, other.tokenizer) == (run.checkpoints, run.tokenizer)
    assert other.figures == tmp_path / "scratch" / "figures"
    assert other.read_metrics() == [{"step": 1}]
    other.metrics_log().add({"step": 2})
    other.write_summary(SUMMARY)
    assert run.read_metrics() == [{"step": 1}]
    assert not (run.directory / "summary.json").exists()


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for runs_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"^Cannot write to .*; give another --runs-dir\.$"):
            Run.create("tiny", runs_dir, 0, {}, (), {})
