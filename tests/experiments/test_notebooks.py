"""The notebooks from their first cell to their last, on a small data set."""

import os
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "experiments" / "notebooks"


@pytest.mark.parametrize("name", ["colab", "kaggle"])
def test_they_are_committed_without_outputs(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(cell.get("outputs", []) == [] for cell in notebook.cells)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["colab", "kaggle"])
def test_every_cell_runs(name, data_dir, tmp_path, monkeypatch):
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("JAXDL_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("JAXDL_OPTIONS", "--preset quick --epochs 1 --batch-size 20")
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    repository = NOTEBOOKS.parents[1]
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": repository}}
    ).execute()
    (summary,) = (tmp_path / "runs" / "cnn").glob("*/summary.json")
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "test accuracy" in printed
    assert "predictions.png" in printed
    assert str(summary.parent) in printed
