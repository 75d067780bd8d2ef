"""The notebooks from their first cell to their last, on a small data set."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

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
    headings = [c.source.partition("\n")[0] for c in cells[1:] if c.cell_type == "markdown"]
    assert "## Install" in cells[0].source
    assert "## Install" not in headings
    for cell in cells:
        if cell.cell_type == "code":
            compile(TransformerManager().transform_cell(cell.source), name, "exec")


def test_with_an_address_there_are_badges_and_nothing_to_give():
    cells = nbformat.reads(build("mlp", ADDRESS), as_version=4).cells
    place = "github/someone/jaxdl/blob/main/experiments/notebooks/mlp.ipynb"
    assert f"(https://colab.research.google.com/{place})" in cells[0].source
    assert f"kaggle.com/kernels/welcome?src={ADDRESS}/blob/main/" in cells[0].source
    assert f'REPOSITORY = "{ADDRESS}"' in cells[1].source
    without = nbformat.reads(build("mlp", ""), as_version=4).cells
    assert "badge" not in without[0].source
    assert without[1].source.startswith('REPOSITORY = ""')


class Recorder:
    """Stands in for a notebook without jaxdl: takes commands down instead of running them."""

    def __init__(self, monkeypatch):
        cells = nbformat.read(FOLDER / "mlp.ipynb", as_version=4).cells
        self.address, self.install, *_ = [c.source for c in cells if c.cell_type == "code"]
        self.names, self.commands, self.constraints, self.failure = {}, [], "", ""
        monkeypatch.setattr(subprocess, "run", self.note)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        monkeypatch.setenv("PATH", os.environ["PATH"])

    def note(self, command, **_):
        command = [str(part) for part in command]
        self.commands.append(command)
        if command[0] == "git":
            (Path(command[-1]) / "jaxdl").mkdir(parents=True)
        if "--constraint" in command:
            self.constraints = Path(command[command.index("--constraint") + 1]).read_text()
        return SimpleNamespace(returncode=bool(self.failure), stderr=self.failure)

    def run(self, source):
        exec(source, self.names)


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    """A notebook where jaxdl is not installed, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Recorder(monkeypatch)


def pretend_installed(monkeypatch, **versions):
    found = [SimpleNamespace(name=name, version=version) for name, version in versions.items()]
    monkeypatch.setattr(metadata, "distributions", lambda: found)


def test_the_repository_is_not_invented(recorder, tmp_path):
    recorder.run(recorder.address)
    with pytest.raises(ValueError, match="Give the address of the repository as REPOSITORY"):
        recorder.run(recorder.install)
    assert recorder.commands == []
    assert list(tmp_path.iterdir()) == []


def test_the_address_that_is_given_is_cloned_and_installed_beside_the_jax_that_is_there(
    recorder, monkeypatch
):
    pretend_installed(monkeypatch, numpy="2.1", jax="0.7.2", jaxlib="0.7.2", libtpu="0.0.21")
    recorder.run(recorder.address.replace('""', '"the/address"'))
    recorder.run(recorder.install)
    clone, install = recorder.commands
    assert clone[:-1] == ["git", "clone", "--quiet", "--", "the/address"]
    assert install[:4] == [sys.executable, "-m", "pip", "install"]
    assert install[-2:] == ["--editable", "."]
    assert Path.cwd().name == "jaxdl-repository"
    assert recorder.constraints == "jax==0.7.2\njaxlib==0.7.2\nlibtpu==0.0.21\n"
    assert os.environ["PATH"].startswith(str(Path(sys.executable).parent))


def test_a_jax_that_is_too_old_is_replaced_with_that_of_the_tpu(recorder, monkeypatch):
    pretend_installed(monkeypatch, jax="0.6.2", jaxlib="0.6.2", libtpu="0.0.17")
    recorder.run(recorder.address.replace('""', '"the/address"'))
    recorder.run(recorder.install)
    assert recorder.commands[-1][-1] == ".[tpu]"
    assert recorder.constraints == ""


def test_an_installation_that_fails_is_an_error_and_can_be_repeated(recorder):
    recorder.run(recorder.address.replace('""', '"the/address"'))
    recorder.failure = "no space left"
    with pytest.raises(RuntimeError, match="no space left"):
        recorder.run(recorder.install)
    recorder.failure = ""
    (Path.cwd() / "jaxdl" / "__init__.py").touch()
    recorder.run(recorder.install)
    assert [command[0] for command in recorder.commands] == ["git", *[sys.executable] * 2]


def test_inside_a_clone_that_clone_is_installed(recorder, tmp_path, monkeypatch):
    inside = tmp_path / "experiments" / "notebooks"
    inside.mkdir(parents=True)
    (tmp_path / "jaxdl").mkdir()
    (tmp_path / "jaxdl" / "__init__.py").touch()
    monkeypatch.chdir(inside)
    recorder.run(recorder.address)
    recorder.run(recorder.install)
    assert [command[0] for command in recorder.commands] == [sys.executable]
    assert Path.cwd() == tmp_path


def run_cells(name, data_dir, runs, monkeypatch, options):
    """Executes a notebook in a process of its own; returns what its cells printed."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    monkeypatch.setenv("JAXDL_RUNS", str(runs))
    monkeypatch.setenv("JAXDL_OPTIONS", options)
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:  # a round of the benchmark may wait a minute for a quiet machine
        cell.source = cell.source.replace("--rounds 3", "--rounds 1")
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
