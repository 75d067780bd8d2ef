"""The notebooks from their first cell to their last, on a small data set."""

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

import nbclient
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from experiments.notebooks.__main__ import NOTEBOOKS, REPOSITORY, build

FOLDER = Path(__file__).parents[2] / "experiments" / "notebooks"
ADDRESS = "https://github.com/someone/jaxdl"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_they_are_those_of_their_sources(name):
    text = (FOLDER / f"{name}.ipynb").read_text()
    assert text == build(name, REPOSITORY)
    nbformat.validate(nbformat.reads(text, as_version=4))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_all_code_of_a_source_is_in_a_cell_of_code(name):
    cells = nbformat.reads(build(name, REPOSITORY), as_version=4).cells
    assert not any("```" in cell.source for cell in cells)
    assert cells[0].source.startswith("# ")
    for cell in cells:
        if cell.cell_type == "code":
            compile(TransformerManager().transform_cell(cell.source), name, "exec")


def test_with_an_address_there_are_badges_and_nothing_to_give():
    cells = nbformat.reads(build("mlp", ADDRESS), as_version=4).cells
    place = "github/someone/jaxdl/blob/main/experiments/notebooks/mlp.ipynb"
    assert f"(https://colab.research.google.com/{place})" in cells[0].source
    assert f"kaggle.com/kernels/welcome?src={ADDRESS}/blob/main/" in cells[0].source
    assert f'REPOSITORY = "{ADDRESS}"' in cells[2].source
    without = nbformat.reads(build("mlp", ""), as_version=4).cells
    assert "badge" not in without[0].source
    assert without[2].source.startswith('REPOSITORY = ""')


class Recorder:
    """Stands in for IPython: takes the commands of a shell down instead of running them."""

    def __init__(self, name):
        cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
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


def run_cells(name, data_dir, runs, monkeypatch, options):
    """Executes a notebook in a process of its own; returns what its cells printed."""
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("JAXDL_RUNS", str(runs))
    monkeypatch.setenv("JAXDL_OPTIONS", options)
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": FOLDER.parents[1]}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(str(output.get("text", output.get("data", ""))) for output in outputs)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["colab", "kaggle"])
def test_every_cell_runs(name, data_dir, tmp_path, monkeypatch):
    options = "--preset quick --epochs 1 --batch-size 20"
    printed = run_cells(name, data_dir, tmp_path / "runs", monkeypatch, options)
    (summary,) = (tmp_path / "runs" / "cnn").glob("*/summary.json")
    assert "test accuracy" in printed
    assert "predictions.png" in printed
    assert str(summary.parent) in printed


@pytest.fixture(scope="session")
def every_data_set(data_dir, cifar_dir, review_dir, tmp_path_factory):
    """A data directory with the small data sets of all lessons."""
    together = tmp_path_factory.mktemp("together")
    for folder in (data_dir, cifar_dir, review_dir):
        shutil.copytree(folder, together, dirs_exist_ok=True)
    return together


def lesson(name, runs, pictures, *marks):
    return pytest.param(name, runs, pictures, marks=marks, id=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runs", "pictures"),
    [
        lesson("mlp", {"mlp": 2}, 4),
        lesson("cnn", {"cnn": 2}, 4, pytest.mark.long),
        lesson("sequences", {"lstm": 1, "rnn": 1}, 3, pytest.mark.long),
        lesson("gan", {"gan": 2}, 5, pytest.mark.long),
        lesson("attention", {"transformer": 1, "vit": 1, "resnet": 1}, 6, pytest.mark.long),
    ],
)
def test_every_cell_of_a_lesson_runs(name, runs, pictures, every_data_set, tmp_path, monkeypatch):
    options = "--epochs 1 --batch-size 20"
    printed = run_cells(name, every_data_set, tmp_path / "runs", monkeypatch, options)
    for experiment, count in runs.items():
        assert len(list((tmp_path / "runs" / experiment).glob("*/summary.json"))) == count
    assert printed.count("image/png") + printed.count("image/gif") == pictures
    assert "error: " not in printed


@pytest.mark.long
@pytest.mark.network
def test_every_cell_of_the_lesson_on_published_networks_runs(review_dir, tmp_path, monkeypatch):
    printed = run_cells("pretrained", review_dir, tmp_path / "runs", monkeypatch, "")
    assert "POSITIVE" in printed.upper()
    assert "test accuracy" in printed
    assert "error: " not in printed
