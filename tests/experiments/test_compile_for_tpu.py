"""Every experiment through the TPU's own compiler, which runs without a TPU."""

import json
import math

import pytest

from experiments.roofline import CHIPS
from experiments.train_steps import EXPERIMENTS

pytestmark = pytest.mark.tpu


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_step_compiles_and_fits_a_chip(name, command, tmp_path):
    output = tmp_path / "tpu.json"
    status, out, err = command("compile_for_tpu", "--experiments", name, "--output", output)
    assert (status, err) == (0, "")
    report = json.loads(output.read_text())
    (result,) = report["results"]
    assert report["chips"] == 4
    assert result["memory_bytes"] < CHIPS["v5e"].memory
    assert result["collectives"]["all-reduce"]["bytes"] > 0  # the gradients
    assert result["flops"] > 0
    assert all(math.isfinite(seconds) for seconds in result["least_seconds"].values())
    assert name in out


def test_divided_states_take_less_memory_and_are_gathered(command, tmp_path):
    results = {}
    for mesh in ("data=4", "fsdp=4"):
        output = tmp_path / f"{mesh}.json"
        options = ("--experiments", "vit", "--mesh", mesh, "--output", output)
        assert command("compile_for_tpu", *options)[0] == 0
        (results[mesh],) = json.loads(output.read_text())["results"]
    assert results["fsdp=4"]["memory_bytes"] < results["data=4"]["memory_bytes"]
    assert "all-gather" in results["fsdp=4"]["collectives"]


def test_an_unknown_topology_is_refused_in_one_line(command, tmp_path):
    output = tmp_path / "tpu.json"
    status, _, err = command("compile_for_tpu", "--topology", "v99:2x2", "--output", output)
    assert status == 1
    assert err.count("\n") == 1
    assert "No TPU compiler for v99:2x2" in err
    assert not output.exists()
