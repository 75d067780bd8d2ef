import json

import pytest

from experiments import report
from experiments.benchmark.tables import format_pipelines
from experiments.compile.tables import format_gpu_table
from jaxdl.files import with_checksum


def test_the_readmes_tables_are_those_that_the_results_give():
    readme = report.README.read_text()
    assert readme == report.with_tables(readme)


def test_a_result_becomes_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    result = {
        "dataset": "mnist",
        "parameters": 1234,
        "seeds": [0, 1],
        "test_accuracy": {"mean": 0.98765, "std": 0.0004},
        "seconds_total": {"mean": 12.3},
        "platform": "gpu",
        "device_kind": "Some GPU",
        "jax_version": "1.2.3",
    }
    (tmp_path / "a.json").write_text(json.dumps(result))
    report.collect(tmp_path / "a.json", "net-mnist")
    assert report.format_table().splitlines()[2:] == [
        "| [net-mnist](experiments/results/net-mnist.json) | mnist | 1,234 | 2 "
        "| 98.77 ± 0.04 % | 12 s | Some GPU, JAX 1.2.3 |"
    ]


def test_a_single_run_becomes_a_row_without_a_deviation(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    summary = {
        "dataset": "mnist",
        "date": "2026-01-01",
        "seed": 3,
        "parameters": 1234,
        "test_accuracy": 0.98765,
        "seconds_total": 12.3,
        "platform": "gpu",
        "device_kind": "Some GPU",
        "jax_version": "1.2.3",
        "options": {"seed": 3, "epochs": 2, "runs_dir": "runs"},
    }
    (tmp_path / "summary.json").write_text(json.dumps(with_checksum(summary)))
    report.collect(tmp_path / "summary.json", "net-mnist")
    kept = json.loads((report.RESULTS / "net-mnist.json").read_text())
    assert kept["seeds"] == [3]
    assert kept["options"] == {"epochs": 2}
    (row,) = report.format_table().splitlines()[2:]
    assert "| 1 | 98.77 % | 12 s |" in row
    better = with_checksum(summary) | {"test_accuracy": 0.99765}
    (tmp_path / "summary.json").write_text(json.dumps(better))
    with pytest.raises(report.UserError, match="was changed after jaxdl wrote it"):
        report.collect(tmp_path / "summary.json", "net-mnist")


def test_the_score_of_a_generator_is_its_distance_over_the_floor():
    result = {
        "test_frechet_ratio": {"mean": 3.25, "std": 0.5},
        "test_precision": {"mean": 0.814},
        "test_recall": {"mean": 0.9},
        "test_smallest_class_share": {"values": [0.09, 0.0871]},
        "test_largest_class_share": {"values": [0.113, 0.11]},
    }
    expected = (
        "Frechet distance 3.2 ± 0.5 times its floor, precision 81 %, recall 90 %, "
        "classes 8.7 to 11.3 %"
    )
    assert report.format_headline(result) == expected
    result["test_frechet_ratio"]["std"] = None
    expected = expected.replace(" ± 0.5", "")
    assert report.format_headline(result) == expected
    result["test_class_accuracy"] = {"mean": 0.9876}
    assert report.format_headline(result) == f"{expected}, 98.8 % as asked for"


def test_rows_are_in_the_order_of_their_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "format_row", lambda name, result: name)
    scores = {
        "a-near": ("test_frechet_ratio", 1.3),
        "b-good": ("test_accuracy", 0.99),
        "c-far": ("test_frechet_ratio", 21.0),
        "d-poor": ("test_accuracy", 0.9),
    }
    for name, (metric, value) in scores.items():
        result = {"dataset": "mnist", metric: {"mean": value}}
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    assert report.format_table().splitlines()[2:] == ["d-poor", "b-good", "c-far", "a-near"]


def test_a_file_that_is_no_result_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(report.UserError, match=r"neither a result that --seeds wrote"):
        report.collect(tmp_path / "a.json", "name")


def test_the_train_steps_of_a_gpu_in_bfloat16_become_rows():
    kinds = {"cuDNN convolution": 3, "fusion": 20, "copy": 1}
    result = {
        "experiment": "cnn",
        "work": "train",
        "precision": "bfloat16",
        "batch_size": 64,
        "memory_bytes": 59e6,
        "flops": 1.1e9,
        "kernels": {kind: {"count": count, "bytes": 8} for kind, count in kinds.items()},
        "least_seconds": {"h200": 7e-6},
    }
    others = [result | {"work": "predict"}, result | {"precision": "float32"}]
    table = format_gpu_table({"results": [*others, result]})
    assert table.splitlines()[2:] == ["| cnn | 64 | 59 MB | 1.10 | 3 | 0 | 21 | 7 us |"]


def test_the_trials_of_faults_become_rows():
    kinds = [
        {"kind": "killed", "tried": 1100, "failed": 1},
        {"kind": "generated PNG", "tried": 20, "failed": 2},
        {"kind": "generated GIF", "tried": 10, "failed": 0},
    ]
    assert report.format_trials({"kinds": kinds}).splitlines()[2:] == [
        "| killed | 1,100 | 1,099 | 1 |",
        "| generated files | 30 | 28 | 2 |",
    ]


def test_the_speeds_of_pipelines_become_rows():
    results = [
        {"framework": "ours", "examples_per_second": 2000.0, "ours_is_faster_by": {"median": 1.0}},
        {"framework": "theirs", "examples_per_second": 999.0, "ours_is_faster_by": {"median": 2.0}},
    ]
    table = format_pipelines({"environment": {"threads": 2}, "results": results})
    assert table.splitlines()[2:] == ["| ours | 1,000 | 1.00 |", "| theirs | 500 | 2.00 |"]


def test_cores_are_counted_that_read_as_fast_as_chips_can_train(tmp_path, monkeypatch):
    ours = {"framework": "ours", "examples_per_second": 2000.0}
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"environment": {"threads": 2}, "results": [ours]}))
    monkeypatch.setattr(report, "PIPELINES", inputs)
    result = {
        "experiment": "resnet",
        "batch_size": 800,
        "flops": 9.89e12,  # 10 ms of an H200
        "bytes_accessed": 1e9,
        "least_seconds": {"v5e": 0.08},
    }
    table = report.format_feeding({"chips": 8, "results": [result]})
    assert table.splitlines()[2:] == ["| resnet | 10,000 | 10 | 10,000 | 10 |"]
