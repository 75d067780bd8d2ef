"""Eight devices compute what one computes, for every experiment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.registry import FROM_SCRATCH

EIGHT_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}


@pytest.mark.slow
@pytest.mark.parametrize("name", FROM_SCRATCH)
def test_losses_are_those_of_one_device(name):
    script = Path(__file__).parent / "many_devices.py"
    process = subprocess.run(
        [sys.executable, str(script), name],
        env=os.environ | EIGHT_DEVICES,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    results = json.loads(process.stdout.splitlines()[-1])
    expected, _ = results["one"]
    for layout, (history, num_sharded) in results.items():
        assert (num_sharded > 0) == ("fsdp" in layout)
        for metric, values in history.items():
            np.testing.assert_allclose(values, expected[metric], rtol=2e-3, atol=1e-4)


def test_a_batch_that_cannot_be_sharded_evenly_is_refused_in_one_line(data_dir, tmp_path):
    options = ("--batch-size", "20", "--data-dir", str(data_dir), "--runs-dir", str(tmp_path))
    process = subprocess.run(
        [sys.executable, "-m", "experiments.mlp", *options],
        env=os.environ | EIGHT_DEVICES,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert process.stderr == (
        "error: --batch-size is 20, but must be a multiple of 8, the number of devices.\n"
    )
    assert not list(tmp_path.iterdir())
