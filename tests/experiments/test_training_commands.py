import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import cnn, mlp
from jaxdl.runs import Run
from jaxdl.runs.command_line import parse
from jaxdl.runs.options import to_options
from jaxdl.runs.run import FORMAT

QUICK = ("--epochs", 2, "--batch-size", 40)


@pytest.fixture
def folders(data_dir, runs_dir):
    return ("--data-dir", data_dir, "--runs-dir", runs_dir)


def lines_without_times(run):
    records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def test_a_run_leaves_the_documented_files(trained_run):
    summary = json.loads((trained_run / "summary.json").read_text())
    assert {
        *("experiment", "dataset", "seed", "epochs", "steps", "parameters", "test_accuracy"),
        *("test_loss", "seconds_total", "seconds_compile", "examples_per_second", "platform"),
        *("device_kind", "jax_version"),
    } <= set(summary)
    assert summary["steps"] == 6 * (320 // 20)
    assert summary["parameters"] == 225_034
    assert summary["test_accuracy"] > 0.8  # stripes are easy
    config = json.loads((trained_run / "config.json").read_text())
    assert (config["format"], config["experiment"]) == (FORMAT, "cnn")
    assert config["options"]["batch_size"] == 20
    epochs = [line["epoch"] for line in lines_without_times(trained_run) if "epoch" in line]
    assert epochs == [1, 2, 3, 4, 5, 6]
    names = {"learning_curves.png", "predictions.png", "confusion.png", "filters.png"}
    assert {path.name for path in (trained_run / "figures").iterdir()} == names
    for name in names:
        with Image.open(trained_run / "figures" / name) as figure:
            assert min(figure.size) > 200
    assert re.fullmatch(r"\d{8}-\d{6}-0", trained_run.name)


def test_plain_output_has_no_control_characters(command, folders, without_progress):
    status, output, errors = command("mlp", *QUICK, *folders)
    assert status == 0
    assert without_progress(errors) == []
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", output)
    assert "109,386 parameters" in output
    assert "test accuracy" in output


def test_standard_output_has_header_epochs_and_results(command, folders):
    _, output, _ = command("mlp", *QUICK, *folders)
    header, epochs, results = output.partition("epoch 1/2")
    names = [line.split()[0] for line in header.splitlines()]
    assert names == ["device", "data", "model", "run"]
    first, second, *results = (epochs + results).splitlines()
    assert first.startswith("epoch 1/2  train accuracy 0.")
    assert second.startswith("epoch 2/2  train accuracy 0.")
    assert [line.split("  ")[0].strip() for line in map(str.strip, results)] == [
        *("test accuracy", "test loss", "best epoch", "throughput", "time", "run")
    ]


@pytest.mark.slow
def test_several_seeds_are_averaged(command, data_dir, tmp_path):
    options = (*QUICK, "--seeds", 2, "--data-dir", data_dir, "--runs-dir", tmp_path)
    status, output, _ = command("mlp", *options)
    assert status == 0
    assert "±" in output
    (path,) = (tmp_path / "mlp").glob("*-2-seeds.json")
    result = json.loads(path.read_text())
    summaries = [json.loads(p.read_text()) for p in (tmp_path / "mlp").glob("*/summary.json")]
    assert result["seeds"] == [0, 1]
    assert sorted(result["test_accuracy"]["values"]) == sorted(
        summary["test_accuracy"] for summary in summaries
    )
    assert not {"data_dir", "runs_dir"} & set(result["options"])


@pytest.mark.parametrize("experiment", [mlp.EXPERIMENT, cnn.EXPERIMENT])
def test_the_tutorial_preset_is_the_recipe_of_the_tutorial(experiment):
    line = ["--preset", "tutorial"]
    config = parse(experiment.name, experiment.config, experiment.presets, "", line)
    options = to_options(config)
    assert options["optimizer"] == "adam"
    assert options["batch_size"] == 32
    assert options["schedule"] == "constant"
    if experiment is cnn.EXPERIMENT:
        assert options["shift"] == options["rotation"] == options["zoom"] == 0


@pytest.mark.slow
def test_the_tutorial_preset_trains(command, folders):
    status, output, _ = command("cnn", "--preset", "tutorial", "--epochs", 1, *folders)
    assert status == 0
    options = json.loads((Path(output.split()[-1]) / "config.json").read_text())["options"]
    assert (options["preset"], options["optimizer"]) == ("tutorial", "adam")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["lenet5", "vgg"])
def test_each_architecture_trains(command, folders, architecture):
    options = ("--architecture", architecture, "--epochs", 1, "--batch-size", 80)
    status, output, _ = command("cnn", *options, *folders)
    assert status == 0
    assert "test accuracy" in output


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float32-highest"])
def test_a_run_remembers_its_precision_for_predictions(command, folders, precision):
    status, output, _ = command("mlp", *QUICK, "--precision", precision, *folders)
    assert status == 0
    assert precision in output
    network = mlp.EXPERIMENT.load_network(Run.open(Path(output.split()[-1])))
    assert network.precision == precision
    assert np.dtype(network.model.dtype) == precision.removesuffix("-highest")


def start_mlp(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.mlp", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_first_epoch(run_parent):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(run_parent.glob("mlp/*/metrics.jsonl")):
            return
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_and_resumed_run_is_bitwise_identical(
    command, data_dir, tmp_path, without_progress, kind
):
    options = ("--epochs", 60, "--batch-size", 20, "--ema-decay", 0.9, "--data-dir", data_dir)
    process = start_mlp(*options, "--runs-dir", tmp_path / "interrupted")
    wait_for_first_epoch(tmp_path / "interrupted")
    process.send_signal(kind)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    (message,) = without_progress(errors)
    (interrupted,) = (tmp_path / "interrupted" / "mlp").iterdir()
    assert message.endswith(f"Resume with: python -m experiments.mlp --resume {interrupted}")
    assert not (interrupted / "summary.json").exists()

    assert command("mlp", "--resume", interrupted)[0] == 0
    assert command("mlp", *options, "--runs-dir", tmp_path / "whole")[0] == 0
    (whole,) = (tmp_path / "whole" / "mlp").iterdir()
    assert lines_without_times(interrupted) == lines_without_times(whole)
    summaries = [json.loads((run / "summary.json").read_text()) for run in (interrupted, whole)]
    assert summaries[0]["test_loss"] == summaries[1]["test_loss"]


@pytest.mark.slow
def test_resuming_a_finished_run_trains_no_more(command, trained_run):
    before = lines_without_times(trained_run)
    status, _, errors = command("cnn", "--resume", trained_run)
    assert status == 0
    assert "Resuming from step 96 of 96." in errors
    assert lines_without_times(trained_run) == before


@pytest.mark.slow
def test_more_epochs_can_be_given_to_a_finished_run(command, data_dir, tmp_path):
    options = (*QUICK, "--data-dir", data_dir, "--runs-dir", tmp_path)
    assert command("mlp", *options)[0] == 0
    (run,) = (tmp_path / "mlp").iterdir()
    assert command("mlp", "--resume", run, "--epochs", 3)[0] == 0
    assert json.loads((run / "summary.json").read_text())["epochs"] == 3
