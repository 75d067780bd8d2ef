"""The programs of every experiment through the GPU compiler, which runs without a GPU."""

import json

import pytest

from experiments.registry import FROM_SCRATCH
from jaxdl.analysis.roofline import GPUS

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("name", FROM_SCRATCH)
def test_its_step_and_its_prediction_compile_in_both_precisions(
    name, command, tmp_path, without_progress
):
    output = tmp_path / "h200.json"
    every = ("--work", "train", "predict", "--precisions", "float32", "bfloat16")
    options = ("--for", "h200", "--experiments", name, *every, "--output", output)
    status, out, err = command("compile", *options)
    assert (status, without_progress(err)) == (0, [])
    results = json.loads(output.read_text())["results"]
    cases = {(result["work"], result["precision"]) for result in results}
    assert len(cases) == len(results) == (2 if name == "language_model" else 4)
    for result in results:
        assert "error" not in result
        assert 0 < result["memory_bytes"] < GPUS["h200"].memory
        assert result["kernels"]["fusion"]["count"] > 0
        assert result["collectives"] == {}
    assert out.count(name) == len(results)


def test_eight_gpus_sum_their_gradients(command, tmp_path):
    output = tmp_path / "h100.json"
    options = ("--for", "h100:8", "--experiments", "mlp", "--output", output)
    assert command("compile", *options)[0] == 0
    (result,) = json.loads(output.read_text())["results"]
    assert result["collectives"]["all-reduce"]["bytes"] >= 2 * 109_386  # in bfloat16
    assert 0 < result["computing_share"]["h100"]["8"] < 1


def test_what_a_t4_cannot_compile_is_said_and_the_rest_is_written(command, tmp_path):
    output = tmp_path / "t4.json"
    options = ("--for", "t4", "--experiments", "transformer", "--work", "predict")
    both = ("--precisions", "bfloat16", "float32", "--output", output)
    status, out, err = command("compile", *options, *both)
    assert status == 1
    assert "1 of 2 programs do not compile" in err
    assert "does not compile: UNIMPLEMENTED" in out
    failed, compiled = json.loads(output.read_text())["results"]
    assert "bfloat16" not in compiled.get("error", "")
    assert set(failed) == {"experiment", "work", "precision", "batch_size", "error"}


def test_an_unknown_gpu_is_refused_in_one_line(command, tmp_path):
    status, _, err = command("compile", "--for", "t5", "--output", tmp_path / "t5.json")
    assert status == 1
    assert err.count("\n") == 1
    assert "No compiler for t5" in err
