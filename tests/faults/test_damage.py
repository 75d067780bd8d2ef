"""Damaged files of a run or a data directory: the same result, or one line, and never another."""

import contextlib
import json
import shutil

import pytest
import trainings
from PIL import Image

pytestmark = pytest.mark.faults

VERIFIED = ("config.json", "summary.json", "tokenizer.json")
"""Files of which the command that verifies a run must see any change."""
SENTENCE = "a wonderful film"


def flip(content, random):
    """Flips one bit."""
    changed = bytearray(content)
    changed[random.integers(len(changed))] ^= 1 << random.integers(8)
    return bytes(changed)


def overwrite(content, random):
    """Overwrites 16 bytes."""
    start = random.integers(len(content))
    return (content[:start] + random.bytes(16) + content[start + 16 :])[: len(content)]


def truncate(content, random):
    """Cuts the end off."""
    return content[: random.integers(len(content))]


def clear(content, random):
    """Replaces all bytes by zeros, as a file system does after a crash."""
    return bytes(len(content))


def damage(folder, random):
    """Damages one file in a folder; returns its path and how."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)
    path = files[random.integers(len(files))]
    how = random.choice((flip, flip, overwrite, truncate, clear))
    content = path.read_bytes()
    changed = how(content, random)
    path.write_bytes(changed)
    return f"{how.__name__} {path.relative_to(folder)}", changed != content


def run(command, *arguments):
    """Runs a command in this process; returns status, output, and errors, which must be short."""
    status, output, errors = command(*arguments)
    assert status in (0, 1, 2)
    if status:
        assert errors.splitlines()[-1].startswith("error: "), errors
    assert "Traceback" not in errors
    return status, output, errors


@pytest.fixture(scope="session")
def finished(training_of):
    """Returns finished runs of an experiment on images and of one on texts."""
    return [training_of.uninterrupted(training_of(name))[0] for name in ("mlp", "rnn")]


@pytest.fixture
def digit(tmp_path):
    Image.new("L", (28, 28), 120).save(tmp_path / "digit.png")
    return tmp_path / "digit.png"


@pytest.mark.trials(60)
def test_damaged_run_predicts(trial, random, finished, command, digit, tmp_path):
    run_, example = ((finished[0], digit), (finished[1], SENTENCE))[trial % 2]
    _, expected, _ = run(command, "predict", run_, example, "--json")
    shutil.copytree(run_, tmp_path / "copy")
    how, is_changed = damage(tmp_path / "copy", random)
    status, output, errors = run(command, "predict", tmp_path / "copy", example, "--json")
    told = status != 0 or errors
    found, _, _ = run(command, "check", tmp_path / "copy")
    if not is_changed:
        assert found == 0
    elif how.split()[1] in VERIFIED:
        assert found == 1, how
    assert told or _predictions(output) == _predictions(expected), how


def _predictions(output):
    return [
        {name: value for name, value in prediction.items() if name != "run"}
        for prediction in json.loads(output)
    ]


@pytest.mark.trials(16)
def test_damaged_run_is_resumed(trial, random, finished, command, capsys, tmp_path):
    original = finished[trial % 2]
    shutil.copytree(original, tmp_path / "copy")
    (tmp_path / "copy" / "summary.json").unlink()
    shutil.rmtree(
        max((tmp_path / "copy" / "checkpoints").glob("[0-9]*"), key=lambda p: int(p.name))
    )
    how, _ = damage(tmp_path / "copy", random)
    status, _, errors = run(command, original.parent.name, "--resume", tmp_path / "copy")
    if status == 0:
        result, expected = map(trainings.result_of, (tmp_path / "copy", original))
        told = {"metrics": ("damaged line", "are lost"), "model": ("is damaged",)}
        errors += capsys.readouterr().err
        for name, remarks in told.items():
            if any(remark in errors for remark in remarks):
                del result[name], expected[name]
        assert result == expected, how + errors


@pytest.mark.trials(16)
def test_damaged_data_directory(trial, random, training_of, command, tmp_path):
    training = training_of(("mlp", "resnet")[trial % 2])
    original, _ = training_of.uninterrupted(training)
    data_dir = training.options[-1]
    shutil.copytree(data_dir, tmp_path / "data")
    how, _ = damage(tmp_path / "data", random)
    options = (*training.options[:-1], tmp_path / "data", "--runs-dir", tmp_path / "runs")
    with contextlib.chdir(tmp_path):
        status, _, errors = run(command, training.name, *options)
    if status == 0:
        result = trainings.result_of(trainings.find_run(tmp_path / "runs", training.name))
        assert result == trainings.result_of(original), how + errors
