"""The notebooks from their first cell to their last, on a small data set."""

import os
import sys
from importlib import metadata
from pathlib import Path

import nbclient
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

NOTEBOOKS = Path(__file__).parents[2] / "experiments" / "notebooks"


@pytest.mark.parametrize("name", ["colab", "kaggle"])
def test_they_are_committed_without_outputs(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert all(cell.get("outputs", []) == [] for cell in notebook.cells)


class Recorder:
    """Stands in for IPython: takes the commands of a shell down instead of running them."""

    def __init__(self, name):
        cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
        self.address, self.install, *_ = [c.source for c in cells if c.cell_type == "code"]
        self.names = {"get_ipython": lambda: self}
        self.commands = []

    def system(self, command):
        self.commands.append(command.format(**self.names))
        if command.startswith("git clone"):
            Path(command.split()[-1]).mkdir()

    def run(self, source):
        exec(TransformerManager().transform_cell(source), self.names)


@pytest.fixture(params=["colab", "kaggle"])
def recorder(request, tmp_path, monkeypatch):
    """A notebook where jaxdl is not installed, in an empty folder."""
    others = [d for d in metadata.distributions() if d.name in ("jax", "jaxlib")]
    monkeypatch.setattr(metadata, "distributions", lambda: others)
    monkeypatch.chdir(tmp_path)
    return Recorder(request.param)


def test_the_repository_is_not_invented(recorder, tmp_path):
    recorder.run(recorder.address)
    with pytest.raises(ValueError, match="Give the address of the repository as REPOSITORY"):
        recorder.run(recorder.install)
    assert recorder.commands == []
    assert list(tmp_path.iterdir()) == []


def test_the_address_that_is_given_is_cloned_and_installed_beside_the_jax_that_is_there(recorder):
    recorder.run(recorder.address.replace('""', '"the/address"'))
    recorder.run(recorder.install)
    clone, install = recorder.commands
    assert clone == 'git clone --quiet -- "the/address" jaxdl-repository'
    assert install.startswith("pip install") and install.endswith("--editable .")
    assert Path.cwd().name == "jaxdl-repository"
    assert f"jax=={metadata.version('jax')}\n" in Path("constraints.txt").read_text()


def test_inside_a_clone_that_clone_is_installed(recorder, tmp_path, monkeypatch):
    inside = tmp_path / "experiments" / "notebooks"
    inside.mkdir(parents=True)
    (tmp_path / "jaxdl").mkdir()
    (tmp_path / "jaxdl" / "__init__.py").touch()
    monkeypatch.chdir(inside)
    recorder.run(recorder.address)
    recorder.run(recorder.install)
    assert [command.split()[0] for command in recorder.commands] == ["pip"]
    assert Path.cwd() == tmp_path


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
