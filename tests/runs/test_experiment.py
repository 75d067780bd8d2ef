from types import SimpleNamespace

import jax
import pytest

from experiments import cnn
from jaxdl.runs import Run
from jaxdl.runs.options import to_options, with_changes


@pytest.mark.parametrize(
    ("capability", "precision", "used"),
    [
        ("7.5", "bfloat16", "float32"),
        ("7.5", "bfloat16-products", "float32"),
        ("7.5", "float32-highest", "float32-highest"),
        ("8.0", "bfloat16", "bfloat16"),
    ],
)
def test_a_run_is_used_in_float32_where_the_device_has_not_its_precision(
    tmp_path, monkeypatch, capsys, capability, precision, used
):
    device = SimpleNamespace(device_kind="Tesla T4", compute_capability=capability)
    monkeypatch.setattr(jax, "devices", lambda: [device])
    config = with_changes(cnn.Config(), {"precision": precision})
    run = Run.create("cnn", tmp_path, 0, to_options(config), (), {})
    assert cnn.EXPERIMENT.read_config(run) == with_changes(config, {"precision": used})
    told = f"Tesla T4 does not multiply bfloat16: {run.directory} computes in float32 here.\n"
    assert capsys.readouterr().err == (told if used != precision else "")
