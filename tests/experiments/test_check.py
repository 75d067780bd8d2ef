"""The command that verifies a run: each kind of damage is named, and nothing is changed."""

import errno
import json
import shutil

import pytest

from jaxdl.files import exclusive_use, with_checksum, write_json


def flip_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def change_json(path, **changes):
    write_json(path, with_checksum(json.loads(path.read_text()) | changes))


def flip_bit_of_checkpoint(run):
    files = [path for path in (run / "checkpoints" / "96").rglob("*") if path.is_file()]
    flip_bit(max(files, key=lambda path: path.stat().st_size))


def change_option(run):
    options = json.loads((run / "config.json").read_text())["options"]
    change_json(run / "config.json", options=options | {"dropout_rate": "much"})


def damage_line(run):
    content = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_bytes(b"\0" + content)


def drop_lines(run):
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join(lines[20:]))


def repeat_lines(run):
    lines = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(lines + lines)


def change_score(run):
    text = (run / "summary.json").read_text()
    score = json.loads(text)["test_accuracy"]
    (run / "summary.json").write_text(text.replace(str(score), "0.999"))


def cut_figure(run):
    figure = next((run / "figures").glob("*.png"))
    figure.write_bytes(figure.read_bytes()[:-1000])


DAMAGES = {
    "checkpoints  WRONG: damaged: that of step 96 (": flip_bit_of_checkpoint,
    "checkpoints  WRONG: there is none": lambda run: shutil.rmtree(run / "checkpoints"),
    "config.json  WRONG: config.json of the run is damaged: --dropout-rate": change_option,
    "metrics.jsonl  WRONG: 1 damaged line": damage_line,
    "metrics.jsonl  WRONG: it does not hold all of 6 epochs": drop_lines,
    "metrics.jsonl  WRONG: its steps do not rise": repeat_lines,
    "summary.json  WRONG: it cannot be read": lambda run: change_json(
        run / "summary.json", steps="many"
    ),
    "summary.json  WRONG: it cannot be read, or was changed": change_score,
    "figures  WRONG: ": cut_figure,
    "summary.json  WRONG: its seed is not that of": lambda run: change_json(
        run / "summary.json", seed=3
    ),
    "summary.json  WRONG: its test_loss is not a number": lambda run: change_json(
        run / "summary.json", test_loss=float("nan")
    ),
    "summary.json  WRONG: its model, of step 97,": lambda run: change_json(
        run / "summary.json", steps=97
    ),
}


@pytest.fixture
def copy(trained_run, tmp_path):
    return shutil.copytree(trained_run, tmp_path / "copy")


def contents(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_nothing_is_wrong_in_a_run_and_nothing_is_changed(command, copy):
    before = contents(copy)
    status, output, errors = command("check", copy)
    assert (status, errors) == (0, "")
    assert "checkpoints  of steps" in output and "96" in output
    assert f"Nothing is wrong in {copy}." in output
    assert contents(copy) == before


@pytest.mark.parametrize("line", DAMAGES)
def test_each_damage_is_named(command, copy, line):
    DAMAGES[line](copy)
    status, output, errors = command("check", copy)
    assert (status, errors.splitlines()[-1]) == (1, f"error: {copy} is damaged.")
    assert line in output


def test_an_unfinished_run_is_not_wrong(command, copy):
    (copy / "summary.json").unlink()
    status, output, _ = command("check", copy)
    assert status == 0
    assert "summary.json  none yet: the training has not been finished" in output
    shutil.rmtree(copy / "checkpoints")
    (copy / "metrics.jsonl").write_text("")
    status, output, _ = command("check", copy)
    assert status == 0
    assert "checkpoints  none yet" in output


def test_metrics_that_are_gone_are_missed(command, copy):
    (copy / "summary.json").unlink()
    (copy / "metrics.jsonl").write_text("")
    status, output, _ = command("check", copy)
    assert status == 1
    assert "metrics.jsonl  WRONG: it is empty, but there is a trained model" in output


def test_a_run_that_cannot_be_written_is_verified_without_its_lock(command, copy, monkeypatch):
    (copy / "lock").touch()

    def refuse(directory):
        raise OSError(errno.EROFS, "Read-only file system", str(directory / "lock"))

    monkeypatch.setattr("jaxdl.files.exclusive_use", refuse)
    status, output, _ = command("check", copy)
    assert (status, output.splitlines()[-1]) == (0, f"Nothing is wrong in {copy}.")


def test_what_cannot_be_verified_is_one_line(command, copy, tmp_path):
    assert command("check", tmp_path / "nowhere")[0] == 2
    with exclusive_use(copy):
        status, _, errors = command("check", copy)
    assert (status, errors.count("\n")) == (3, 1)
    assert "is in use by another process" in errors
    text = (copy / "config.json").read_text()
    (copy / "config.json").write_text(text.replace('"epochs": 6', '"epochs": 7'))
    status, _, errors = command("check", copy)
    assert (status, errors.count("\n")) == (1, 1)
    assert "config.json is damaged or was changed" in errors
    (copy / "config.json").write_text("{")
    status, _, errors = command("check", copy)
    assert (status, errors.count("\n")) == (1, 1)
