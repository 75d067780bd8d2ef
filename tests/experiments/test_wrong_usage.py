import json
import os
import shutil
import subprocess
import sys

import pytest

from jaxdl.runs.run import FORMAT


@pytest.fixture
def refused(command, data_dir, tmp_path):
    """Runs a command that must fail with one line, leaving no run behind; returns the line."""

    def run(status: int, name: str, *arguments: object) -> str:
        given = map(str, arguments)
        defaults = {"--data-dir": data_dir, "--runs-dir": tmp_path / "runs"}
        missing = {k: v for k, v in defaults.items() if k not in arguments}
        options = [part for pair in missing.items() for part in pair]
        actual, _, errors = command(name, *given, *(options if name != "predict" else ()))
        (line,) = errors.splitlines()
        assert line.startswith("error: ")
        assert actual == status
        assert not list((tmp_path / "runs").glob("*/*"))
        return line

    return run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--epoch", 3), "--epochs"),
        (("--no-such-option", 3), "--no-such-option"),
        (("--dataset", "imagenet"), "mnist"),
        (("--epochs", -1), "--epochs is -1"),
        (("--epochs", "many"), "many"),
        (("--batch-size", 0), "--batch-size is 0"),
        (("--batch-size", 321), "320 examples"),
        (("--learning-rate", 0), "--learning-rate"),
        (("--validation-fraction", 1), "--validation-fraction"),
        (("--architecture", "resnet"), "lenet5"),
        (("--preset", "best"), "default, tutorial, quick"),
        (("--resume", "nowhere"), "nowhere is not the directory of a run"),
        (("--patience", 1, "--validation-fraction", 0), "--patience"),
        (("--shift", "inf"), "--shift"),
        (("--optimizer", "adam", "--weight-decay", 0.1), "--weight-decay has no effect with --opt"),
        (("--schedule", "constant", "--warmup-fraction", 0), "--warmup-fraction has no effect"),
        (("--architecture", "lenet5", "--dropout-rate", 0.1), "--dropout-rate has no effect with"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(refused, options, words):
    assert words in refused(2, "cnn", *options)


@pytest.mark.parametrize(
    ("experiment", "options", "words"),
    [
        ("transformer", ("--num-layers", 0), "--num-layers is 0, but must be at least 1"),
        ("transformer", ("--embed-dim", 6, "--positions", "rotary", "--num-heads", 2), "is even"),
        ("transformer", ("--embed-dim", 0), "--embed-dim is 0, but must be at least 1"),
        ("rnn", ("--num-layers", 0), "--num-layers is 0, but must be at least 1"),
        ("rnn", ("--hidden-dim", -3), "--hidden-dim is -3, but must be at least 1"),
        ("language_model", ("--embed-dim", 0), "--embed-dim is 0, but must be at least 1"),
    ],
)
def test_a_network_of_texts_that_cannot_be_built_is_refused(refused, experiment, options, words):
    assert words in refused(2, experiment, *options)


def test_a_runs_directory_that_cannot_be_written_is_status_1(refused, tmp_path):
    (tmp_path / "file").touch()
    assert "--runs-dir" in refused(1, "cnn", "--runs-dir", tmp_path / "file" / "runs")


def test_no_data_and_no_network_is_status_1(command, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    folders = ("--data-dir", tmp_path / "empty", "--runs-dir", tmp_path / "runs")
    status, output, errors = command("cnn", *folders)
    assert (status, output) == (1, "")
    *remarks, line = errors.splitlines()
    assert all(remark.startswith("mnist: downloading 11.6 MB from the") for remark in remarks)
    assert line.startswith("error: ")
    assert not (tmp_path / "runs").exists()
    assert "train-images-idx3-ubyte.gz" in line
    assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in line


def test_a_run_of_another_experiment_is_not_resumed(refused, trained_run):
    line = refused(2, "mlp", "--resume", trained_run)
    assert f"python -m experiments.cnn --resume {trained_run}" in line


def test_a_changed_option_is_not_resumed(refused, trained_run):
    assert "--batch-size" in refused(2, "cnn", "--resume", trained_run, "--batch-size", 7)


def test_a_preset_that_an_experiment_does_not_have_is_refused(refused):
    assert "default, quick" in refused(2, "transformer", "--preset", "tutorial")


def test_a_run_with_fewer_epochs_or_another_preset_is_not_resumed(refused, trained_run):
    assert "raised from 6" in refused(2, "cnn", "--resume", trained_run, "--epochs", 5)
    assert "--preset" in refused(2, "cnn", "--resume", trained_run, "--preset", "tutorial")


def test_a_folder_of_an_unknown_user_is_one_line(command):
    status, _, errors = command("datasets", "--dataset", "~nosuch/photos")
    assert status == 2
    assert errors.startswith("error: ")
    assert "~nosuch/photos" in errors


def test_no_device_is_one_line(data_dir, tmp_path):
    options = ("--epochs", "1", "--data-dir", data_dir, "--runs-dir", tmp_path)
    process = subprocess.run(
        [sys.executable, "-m", "experiments.mlp", *options],
        env=os.environ | {"JAX_PLATFORMS": "nowhere"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert "JAX finds no device" in line


def test_a_diverging_training_says_what_to_try(command, data_dir, tmp_path):
    options = ("--learning-rate", 1e30, "--data-dir", data_dir, "--runs-dir", tmp_path)
    status, _, errors = command("mlp", *options)
    assert status == 1
    assert "lower --learning-rate" in errors


def damage(checkpoint):
    for path in checkpoint.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.slow
def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    command, data_dir, tmp_path, without_progress
):
    options = ("--epochs", 2, "--batch-size", 40)
    folders = ("--data-dir", data_dir, "--runs-dir", tmp_path)
    assert command("mlp", *options, *folders)[0] == 0
    (run,) = (tmp_path / "mlp").iterdir()
    assert command("mlp", "--resume", run, "--epochs", 3)[0] == 0
    whole = json.loads((run / "summary.json").read_text())
    damage(run / "checkpoints" / "24")
    status, _, errors = command("mlp", "--resume", run, *folders)
    assert status == 0
    assert without_progress(errors) == [
        "The checkpoint of step 24 is damaged: using that of step 16.",
        "Resuming from step 16 of 24.",
        "Dropped 9 lines of metrics after step 16, which will be logged again.",
    ]
    again = json.loads((run / "summary.json").read_text())
    assert again["test_loss"] == whole["test_loss"]


@pytest.fixture
def older_run(trained_run, tmp_path):
    """Copies a run, as an older version of jaxdl would have left it."""
    older = tmp_path / "older"
    shutil.copytree(trained_run, older)
    config = json.loads((older / "config.json").read_text())
    assert config.pop("format") == FORMAT
    (older / "config.json").write_text(json.dumps(config))
    return older


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cnn", ("--resume", "RUN")),
        ("mlp", ("--resume", "RUN")),
        ("predict", ("RUN", "digit.png")),
        ("predict", ("RUN", "--samples", 4)),
        ("export", ("RUN",)),
        ("gan", ("--feature-extractor", "RUN")),
    ],
)
def test_a_run_of_an_older_format_is_refused_in_one_line(
    command, older_run, data_dir, tmp_path, name, arguments
):
    given = [older_run if argument == "RUN" else argument for argument in arguments]
    folders = ("--data-dir", data_dir, "--runs-dir", tmp_path / "runs")
    status, output, errors = command(name, *given, *(folders if name == "gan" else ()))
    assert (status, output) == (1, "")
    assert errors == (
        f"error: {older_run} was made by another version of jaxdl, which wrote other files; "
        "train again, or use that version.\n"
    )
    assert not (tmp_path / "runs").exists()


def test_a_run_with_only_damaged_checkpoints_is_one_line(refused, trained_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    damage(copy / "checkpoints")
    assert "can be used" in refused(1, "cnn", "--resume", copy)
