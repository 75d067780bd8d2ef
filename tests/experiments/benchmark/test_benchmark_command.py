import contextlib
import json
from pathlib import Path

import pytest
from PIL import Image

from experiments.benchmark import accuracy, charts, options, processes, tables
from experiments.benchmark.comparison import compare_with_peers, geometric_mean
from experiments.benchmark.ours import Ours
from experiments.benchmark.workloads import WORKLOADS, random_data
from jaxdl.errors import UsageError

pytestmark = pytest.mark.usefixtures("every_turn_is_steady")
QUICK = ("--models", "mlp", "--rounds", 2, "--seconds", 0.05, "--peers")


@pytest.mark.slow
def test_the_table_and_the_file_agree_and_the_throughput_is_drawn(command, tmp_path, monkeypatch):
    monkeypatch.setattr(options, "SWEEP", (1, 32))
    output = tmp_path / "new" / "result.json"
    status, printed, errors = command("benchmark", *QUICK, "--sweep", "--output", output)
    assert status == 0
    written = json.loads(output.read_text())
    header, *lines = printed.splitlines()  # remarks go to standard error
    assert header.startswith("model")
    assert [result["batch_size"] for result in written["results"]] == [1, 32]
    for result, line in zip(written["results"], lines, strict=True):
        assert result["parameters"] == 109_386
        assert len(result["seconds_each"]) == len(result["turns"]) == written["rounds"] == 2
        assert result["share_of_peak"] == pytest.approx(
            result["flops_per_second"] / written["peak_flops"]
        )
        assert f"{result['examples_per_second']:,.0f}" in line
    assert str(output) in errors
    assert written["versions"]["jax"]
    assert written["geometric_mean"] is None
    assert Image.open(output.with_suffix(".png")).width > 300


@pytest.mark.slow
def test_predictions_are_timed_too(command, tmp_path):
    output = tmp_path / "latency.json"
    sizes = ("--work", "predict", "--batch-sizes", 1)
    status, _, _ = command("benchmark", *QUICK, *sizes, "--output", output)
    assert status == 0
    (result,) = json.loads(output.read_text())["results"]
    assert result["batch_size"] == 1
    assert result["share_of_peak"] is None


def results_with(ratios):
    """Makes a result for each model and framework, given the ratio."""
    return [
        {
            "model": model,
            "batch_size": 32,
            "framework": framework,
            "examples_per_second": 1000.0,
            "ours_is_faster_by": {"median": ratio, "lowest": ratio - 0.5, "highest": ratio + 1},
        }
        for (model, framework), ratio in ratios.items()
    ]


RESULTS = results_with(
    {
        ("mlp", "ours"): 1.0,
        ("mlp", "torch"): 3.0,
        ("mlp", "torch-fused"): 2.0,
        ("mlp", "keras-jax"): 8.0,
        ("gan", "ours"): 1.0,
        ("gan", "torch"): 0.5,
    }
)


def test_a_peer_is_compared_in_its_plain_and_in_its_best_form():
    torch, keras, gan = compare_with_peers(RESULTS)
    assert (torch.plain["framework"], torch.best["framework"]) == ("torch", "torch-fused")
    assert (keras.plain, keras.best["framework"]) == (None, "keras-jax")
    assert gan.plain is gan.best
    assert geometric_mean(RESULTS) == pytest.approx((2.0 * 0.5) ** 0.5)


def test_the_readmes_table_has_both_forms():
    assert tables.format_speeds({"results": RESULTS}).splitlines()[2:] == [
        "| mlp | 32 | 1,000 | 3.00 | 2.00 (torch-fused) |  | 8.00 (keras-jax) |",
        "| gan | 32 | 1,000 | 0.50 | 0.50 (torch) |  |  |",
    ]


def test_the_times_to_an_accuracy_are_cold_and_warm_for_both_sides():
    class Quiet:
        is_steady = staticmethod(lambda turns: turns[-1]["product_seconds"] < 2)

    def rounds(*seconds, disturbed=()):
        return [
            [{"seconds": s, "test_accuracy": 0.9, "product_seconds": 3 if n in disturbed else 1}]
            for n, s in enumerate(seconds)
        ]

    turns = {"ours": rounds(8, 3, 4, 5), "keras": rounds(10, 9, 8, 20, disturbed=[1])}
    record = {"model": "mlp", "target": 0.9} | accuracy.judge(turns, Quiet())
    assert record["ours"]["seconds"] == [3, 4, 5]
    assert record["keras"]["seconds"] == [8, 20]
    assert record["cold_share_of_keras"] == 0.8
    assert record["share_of_keras"] == (4 / 8 + 5 / 20) / 2
    assert "8.0 s cold, 4.0 s warm" in accuracy.format_record(record)
    (row,) = tables.format_times_to_accuracy({"results": [record]}).splitlines()[2:]
    cells = "4 s, cold 8 s | 90.0% | 14 s, cold 10 s | 90.0% | 0.38, cold 0.80"
    assert row == f"| mlp | {cells} |"
    nothing = accuracy.judge({s: rounds(8, 3, disturbed=[0, 1]) for s in turns}, Quiet())
    assert nothing["share_of_keras"] is nothing["cold_share_of_keras"] is None
    assert "disturbed cold" in accuracy.format_record(record | nothing)


def test_the_chart_shows_each_peer(tmp_path):
    charts.compare_models(RESULTS, tmp_path / "chart.png")
    assert Image.open(tmp_path / "chart.png").width > 300


@pytest.mark.parametrize("draw", [charts.compare_models, charts.compare_batch_sizes])
def test_without_results_there_is_no_chart(draw, tmp_path):
    draw([], tmp_path / "chart.png")
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"output": Path("speeds.png")}, "--output"),
        ({"work": "input", "batch_sizes": (5000,), "peers": ()}, "--batch-sizes"),
    ],
)
def test_what_would_be_lost_or_never_end_is_refused(changes, option):
    with pytest.raises(UsageError, match=option):
        options.Options(**changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [pytest.param(model, marks=[pytest.mark.long] * (model == "resnet18")) for model in WORKLOADS],
)
def test_every_model_trains_across_epochs_and_predicts(model):
    workload = WORKLOADS[model]
    contestant = Ours(workload, random_data(workload, 10), 4, "float32")
    contestant.train(3)  # an epoch has two steps
    contestant.train(2)
    contestant.predict()
    assert contestant.flops_per_example > 0


@pytest.mark.peers
@pytest.mark.parametrize("model", WORKLOADS)
def test_the_models_of_all_frameworks_have_as_many_parameters_as_ours(model):
    """Runs in separate processes, as TensorFlow and PyTorch's compiler would crash this one."""
    workload = WORKLOADS[model]
    ours = Ours(workload, random_data(workload, 10), 4, "float32")
    request = {"model": model, "batch_size": 4, "precision": "float32", "cores": 1}
    for framework in ("keras-tensorflow", "torch"):
        with contextlib.closing(processes.Worker(framework, model)) as peer:
            answer = peer.ask(framework=framework, **request)
            assert answer["parameters"] == ours.parameters, framework
            assert peer.ask(work="predict", seconds=0.01)["times"] >= 1
