import json

import pytest

from experiments.benchmark.ours import Ours
from experiments.benchmark.race import REQUIRED_PACKAGES
from experiments.benchmark.worker import CONTESTANTS, build
from experiments.benchmark.workloads import WORKLOADS, random_data

QUICK = ("--models", "mlp", "--rounds", 2, "--seconds", 0.05, "--peers")


def test_the_table_and_its_file_say_the_same(command, tmp_path):
    output = tmp_path / "new" / "result.json"
    status, printed, _ = command("benchmark", *QUICK, "--output", output)
    assert status == 0
    report = json.loads(output.read_text())
    (result,) = report["results"]
    assert result["parameters"] == 109_386
    assert len(result["seconds_each"]) == report["rounds"] == 2
    assert result["share_of_peak"] == pytest.approx(
        result["flops_per_second"] / report["peak_flops"]
    )
    line = next(line for line in printed.splitlines() if line.startswith("mlp"))
    assert f"{result['examples_per_second']:,.0f}" in line
    assert report["versions"]["jax"]
    assert report["geometric_mean"] is None


def test_a_sweep_draws_the_speed_over_the_batch_size(command, tmp_path):
    output = tmp_path / "sweep.json"
    sizes = ("--work", "predict", "--batch-sizes", 1, 8)
    status, _, _ = command("benchmark", *QUICK, *sizes, "--output", output)
    assert status == 0
    results = json.loads(output.read_text())["results"]
    assert [result["batch_size"] for result in results] == [1, 8]
    assert all(result["share_of_peak"] is None for result in results)


@pytest.mark.parametrize("option", [("--rounds", 0), ("--threads", 0), ("--models", "perceptron")])
def test_wrong_options_are_refused_in_one_line(command, option):
    status, _, errors = command("benchmark", *option)
    assert status == 2
    assert len(errors.splitlines()) == 1


def test_every_contestant_has_its_packages():
    assert set(CONTESTANTS) == {*REQUIRED_PACKAGES, "matrix-product"}


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
@pytest.mark.parametrize("framework", ["keras-tensorflow", "torch", "torch-channels-last"])
@pytest.mark.parametrize("model", WORKLOADS)
def test_the_models_of_all_frameworks_have_as_many_parameters(framework, model, monkeypatch):
    monkeypatch.setattr("experiments.benchmark.worker.EXAMPLES", 8)
    ours = Ours(WORKLOADS[model], random_data(WORKLOADS[model], 4), 4, "float32")
    contestant, description = build(framework, model, 4, "float32", started=0.0)
    contestant.predict()
    assert description["parameters"] == ours.parameters
