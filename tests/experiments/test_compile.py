"""The train step of every experiment through the TPU compiler, which runs without a TPU."""

import json
import math

import pytest

from experiments.compile import compilation
from experiments.registry import FROM_SCRATCH
from jaxdl.analysis.roofline import TPUS

pytestmark = pytest.mark.tpu

LARGE = ("resnet", "vit", "gan")  # each takes a minute


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] * (name in LARGE)) for name in FROM_SCRATCH],
)
def test_its_step_compiles_and_fits_in_the_memory_of_a_chip(name, command, tmp_path):
    output = tmp_path / "tpu.json"
    status, out, err = command("compile", "--experiments", name, "--output", output)
    assert (status, err) == (0, "")
    report = json.loads(output.read_text())
    (result,) = report["results"]
    assert report["chips"] == 4
    assert result["memory_bytes"] < TPUS["v5e"].memory
    assert result["collectives"]["all-reduce"]["bytes"] > 0  # the gradients
    assert result["flops"] > 0
    assert all(math.isfinite(seconds) for seconds in result["least_seconds"].values())
    assert name in out


def test_of_a_sharded_state_only_the_parameters_are_all_gathered(command, tmp_path):
    output = tmp_path / "tpu.json"
    options = ("--experiments", "transformer", "--mesh", "fsdp=4", "--output", output)
    assert command("compile", *options)[0] == 0
    (result,) = json.loads(output.read_text())["results"]
    gathered = result["collectives"]["all-gather"]["bytes"]
    bytes_of_parameters = 4 * 725_063
    assert 0.4 * bytes_of_parameters < gathered < 3 * bytes_of_parameters


@pytest.mark.long
def test_a_recipe_for_imagenet_fits_in_the_memory_of_eight_chips(command, tmp_path):
    output = tmp_path / "tpu.json"
    options = ("--experiments", "vit", "--preset", "imagenet", "--for", "v5e:2x4")
    status, _, err = command("compile", *options, "--output", output)
    assert (status, err) == (0, "")
    (result,) = json.loads(output.read_text())["results"]
    assert result["batch_size"] == 1024
    assert result["memory_bytes"] < TPUS["v5e"].memory


def test_an_unknown_preset_is_refused_in_one_line(command, tmp_path):
    experiments = ("--experiments", "mlp", "resnet")
    options = (*experiments, "--preset", "imagnet", "--output", tmp_path / "tpu.json")
    status, _, err = command("compile", *options)
    assert status == 2
    assert "--preset" in err
    assert "tutorial, quick for mlp" in err


def test_a_preset_that_one_lacks_is_found_before_anything_is_compiled(command, monkeypatch):
    monkeypatch.setattr(compilation, "compile_step", None)
    status, _, err = command("compile", "--preset", "quick")
    assert status == 2
    assert "one of default for language_model" in err


def test_an_unknown_topology_is_refused_in_one_line(command, tmp_path):
    output = tmp_path / "tpu.json"
    status, _, err = command("compile", "--for", "v99:2x2", "--output", output)
    assert status == 1
    assert err.count("\n") == 1
    assert "No compiler for v99:2x2" in err
    assert not output.exists()
