import contextlib
import json

import pytest
from PIL import Image

from experiments.benchmark import charts, options, race
from experiments.benchmark.ours import Ours
from experiments.benchmark.workloads import WORKLOADS, random_data

QUICK = ("--models", "mlp", "--rounds", 2, "--seconds", 0.05, "--peers")


def test_the_table_and_the_file_agree(command, tmp_path):
    output = tmp_path / "new" / "result.json"
    status, printed, errors = command("benchmark", *QUICK, "--output", output)
    assert status == 0
    report = json.loads(output.read_text())
    (result,) = report["results"]
    assert result["parameters"] == 109_386
    assert len(result["seconds_each"]) == report["rounds"] == 2
    assert result["share_of_peak"] == pytest.approx(
        result["flops_per_second"] / report["peak_flops"]
    )
    header, line = printed.splitlines()  # remarks go to standard error
    assert header.startswith("model")
    assert f"{result['examples_per_second']:,.0f}" in line
    assert str(output) in errors
    assert report["versions"]["jax"]
    assert report["geometric_mean"] is None


def test_predictions_are_timed_too(command, tmp_path):
    output = tmp_path / "latency.json"
    sizes = ("--work", "predict", "--batch-sizes", 1)
    status, _, _ = command("benchmark", *QUICK, *sizes, "--output", output)
    assert status == 0
    (result,) = json.loads(output.read_text())["results"]
    assert result["batch_size"] == 1
    assert result["share_of_peak"] is None


def test_a_sweep_draws_the_throughput_over_the_batch_size(command, tmp_path, monkeypatch):
    monkeypatch.setattr(options, "SWEEP", (1, 8))
    output = tmp_path / "sweep.json"
    status, _, _ = command("benchmark", *QUICK, "--sweep", "--output", output)
    assert status == 0
    results = json.loads(output.read_text())["results"]
    assert [result["batch_size"] for result in results] == [1, 8]
    assert Image.open(tmp_path / "sweep.png").width > 300


def test_the_chart_has_a_bar_for_each_peer(tmp_path):
    ratio = {"median": 2.0, "lowest": 1.5, "highest": 3.0}
    results = [
        {"model": model, "batch_size": 32, "framework": framework, "ours_is_faster_by": ratio}
        for model in ("mlp", "gan")
        for framework in ("ours", "torch", "keras-jax")
        if (model, framework) != ("gan", "keras-jax")
    ]
    charts.compare_models(results, tmp_path / "chart.png")
    assert Image.open(tmp_path / "chart.png").width > 300


@pytest.mark.parametrize(
    "option",
    [
        ("--rounds", 0),
        ("--threads", 0),
        ("--models", "nonsense"),
        ("--models",),
        ("--peers", "ours"),
        ("--sweep", "--profile"),
        ("--sweep", "--batch-sizes", 8),
        ("--to-accuracy", "--precision", "bfloat16"),
    ],
)
def test_wrong_options_are_rejected_in_one_line(command, option):
    status, _, errors = command("benchmark", *option)
    assert status == 2
    assert len(errors.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("model", WORKLOADS)
def test_every_model_trains_across_epochs_and_predicts(model):
    workload = WORKLOADS[model]
    contestant = Ours(workload, random_data(workload, 10), 4, "float32")
    contestant.train(3)  # an epoch has two steps
    contestant.train(2)
    contestant.predict()
    assert contestant.flops_per_example > 0


@pytest.mark.peers
@pytest.mark.parametrize("framework", ["keras-tensorflow", "torch"])
@pytest.mark.parametrize("model", WORKLOADS)
def test_the_models_of_all_frameworks_have_as_many_parameters_as_ours(framework, model):
    """Runs in a separate process, as TensorFlow and PyTorch's compiler would crash this one."""
    workload = WORKLOADS[model]
    ours = Ours(workload, random_data(workload, 4), 4, "float32")
    request = {"model": model, "batch_size": 4, "precision": "float32", "cores": 1}
    with contextlib.closing(race.Worker(framework, model)) as peer:
        assert peer.ask(framework=framework, **request)["parameters"] == ours.parameters
        assert peer.ask(work="predict", seconds=0.01)["times"] >= 1
