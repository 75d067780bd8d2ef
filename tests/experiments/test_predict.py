import dataclasses
import json
import math
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import small_models
from PIL import Image, ImageDraw

from experiments.predict import compare
from jaxdl import console
from jaxdl.data.website import Website
from jaxdl.errors import UserError
from jaxdl.files import with_checksum, write_json
from jaxdl.pretrained import PUBLISHED


@pytest.fixture
def picture(tmp_path):
    """Writes a large picture of a thick stroke, dark on light."""
    image = Image.new("RGB", (200, 300), "white")
    ImageDraw.Draw(image).line((40, 50, 150, 250), fill="black", width=25)
    image.save(tmp_path / "stroke.png")
    return tmp_path / "stroke.png"


def test_each_picture_gets_a_label_with_its_probability(command, trained_run, picture):
    status, output, _ = command("predict", trained_run, picture, picture)
    assert status == 0
    first, second = output.splitlines()
    assert first == second
    assert first.startswith(f"{picture}  ")
    assert "%" in first


def test_pictures_are_predicted_in_float32_where_the_device_has_not_the_precision(
    command, trained_run, picture, monkeypatch
):
    monkeypatch.setattr("jaxdl.runs.experiment.supports", lambda device, precision: False)
    status, _, errors = command("predict", trained_run, picture)
    assert status == 0
    assert f"{trained_run} computes in float32 here" in errors


def test_json_has_all_probabilities(command, trained_run, picture):
    status, output, _ = command("predict", trained_run, picture, "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert prediction["input"] == str(picture)
    assert list(prediction["probabilities"]) == list("0123456789")
    assert np.isclose(sum(prediction["probabilities"].values()), 1.0)
    assert prediction["probability"] == max(prediction["probabilities"].values())
    assert prediction["probabilities"][prediction["label"]] == prediction["probability"]


def test_an_embedding_without_a_direction_is_refused():
    network = SimpleNamespace(name="minilm", read=len, logits=lambda number: np.zeros((number, 3)))
    with pytest.raises(UserError, match="An embedding of minilm is zero"):
        compare(network, ["one", "two"])


@pytest.fixture
def unfetched(monkeypatch, tmp_path):
    """Offers the files of a small model to be fetched, and returns an empty data directory."""

    def offer(name):
        published = small_models.place(name, tmp_path / "website")
        folder = tmp_path / "website" / "weights" / name
        (source,) = published.sources
        source = Website(f"{folder.as_uri()}/", source.files)
        published = dataclasses.replace(published, sources=(source,))
        monkeypatch.setitem(PUBLISHED, name, published)
        return tmp_path / "data"

    return offer


@pytest.mark.parametrize(
    ("command_name", "published_name", "num_inputs"),
    [("sentiment", "distilbert-sst2", 1), ("similarity", "minilm", 2), ("resnet50", "resnet50", 1)],
)
def test_json_is_apart_from_the_progress_and_the_remarks_of_a_first_run(
    command, unfetched, picture, monkeypatch, command_name, published_name, num_inputs
):
    monkeypatch.setattr(console, "SECONDS_BETWEEN_PLAIN_LINES", 0.0)
    data_dir = unfetched(published_name)
    inputs = [picture if command_name == "resnet50" else "a wonderful film"] * num_inputs
    arguments = (command_name, *inputs, "--json", "--data-dir", data_dir)
    status, output, errors = command("predict", *arguments)
    assert status == 0, errors
    (result,) = json.loads(output)
    assert "downloading from the official address: 100%" in errors
    assert f"{published_name}: downloading" in errors
    assert "\npredicting" in errors
    if command_name == "similarity":
        assert math.isclose(result["similarity"], 1.0, rel_tol=1e-5)
    else:
        assert result["input"] == str(inputs[0])
        assert tuple(result["probabilities"]) == PUBLISHED[published_name].class_names


def test_names_and_labels_cannot_act_on_the_terminal(command, trained_run, picture, tmp_path):
    copy = shutil.copytree(trained_run, tmp_path / "run")
    config = json.loads((copy / "config.json").read_text())
    names = ["\x1b]0;title\x07", "\u202eten", *config["class_names"][2:]]
    write_json(copy / "config.json", with_checksum(config | {"class_names": names}))
    hostile = picture.rename(tmp_path / "\x1b[2J\n\udcff :cat: é 🎬.png")
    status, output, _ = command("predict", copy, hostile, "--top", 10)
    assert (status, output.count("\n")) == (0, 1)
    assert output.startswith(f"{tmp_path}/\\x1b[2J\\n\\udcff :cat: é 🎬.png  ")
    assert all(name in output for name in (r"\x1b]0;title\x07", r"\u202eten"))
    status, _, errors = command("predict", copy, tmp_path / "x\nerror: forged.png")
    assert (status, errors) == (1, f"error: There is no file {tmp_path}/x\\nerror: forged.png.\n")
    status, output, _ = command("predict", copy, hostile, "--json")
    (prediction,) = json.loads(output)
    assert (prediction["input"], list(prediction["probabilities"])) == (str(hostile), names)
    _, _, errors = command("predict", copy, "\x1b[2J.png")
    assert errors.splitlines()[-1] == "error: There is no file \\x1b[2J.png."


def test_help_can_be_piped():
    command = [sys.executable, "-m", "experiments.predict", "--help"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("usage: python -m experiments.predict ")
    assert "\x1b" not in process.stdout


def test_a_published_name_is_not_a_folder(command, small_published, tmp_path, monkeypatch):
    """Such as one in which a model was downloaded by other means."""
    small_published("minilm", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minilm").mkdir()
    (tmp_path / "minilm" / "config.json").write_text("{}")
    status, _, errors = command("predict", "minilm", "a film", "a story", "--data-dir", tmp_path)
    assert status == 0, errors


def test_a_text_file_is_no_picture(command, trained_run, picture, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    status, output, errors = command("predict", trained_run, picture, tmp_path / "text.png")
    assert (status, output) == (1, "")
    assert errors.splitlines() == [
        f"error: {tmp_path / 'text.png'} cannot be read as an image: "
        "give a PNG, JPEG, WebP, GIF, BMP or TIFF file."
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "RUN|MODEL"),
        (("nowhere", "a.png"), 2, "nowhere is not the directory of a run"),
        (("RUN", "no.png"), 1, "There is no file no.png"),
        (("RUN",), 2, "which draws no samples: give it an input"),
        (("RUN", "PICTURE", "--samples", 5), 2, "--samples is for samples of a run of gan, which"),
        (("similarity",), 2, "No input"),
        (("sentiment", ""), 2, "An input is empty"),  # before anything is downloaded
        (("sentiment", "-"), 2, "Standard input holds no sentence"),
        (("RUN", "--json"), 2, "give one, or leave it out"),
        (("RUN", "PICTURE", "--explain", "why.txt"), 2, "--explain is why.txt"),
        (("RUN", "PICTURE", "--explain", "why.png"), 2, "--explain is for resnet, speedrun"),
        (("RUN", "PICTURE", "--weights", "a.safetensors"), 2, "--weights needs a published model"),
        (("RUN", "PICTURE", "--top", 0), 2, "--top is 0"),
        (("RUN", "PICTURE", "--json", "--top", 2), 2, "--top has no effect with --json"),
        (("similarity", "a film", "a story", "--top", 2), 2, "--top is for labels, but minilm"),
        (("similarity", "one sentence"), 2, "minilm compares sentences: give two or more"),
        (("similarity", "a film", "a story", "--explain", "why.png"), 2, "minilm reads sentences"),
    ],
)
def test_wrong_usage_is_one_line(
    command, trained_run, picture, small_published, tmp_path, monkeypatch, arguments, status, words
):
    small_published("minilm", tmp_path)
    monkeypatch.setattr("sys.stdin", None)  # as where it is closed
    names = {"RUN": trained_run, "PICTURE": picture}
    given = [names.get(argument, argument) for argument in arguments]
    actual, _, errors = command("predict", *given, *(("--data-dir", tmp_path) if given else ()))
    (line,) = errors.splitlines()
    assert (actual, line.startswith("error: ")) == (status, True)
    assert words in line


def test_a_run_without_a_checkpoint_is_one_line(command, trained_run, picture, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes((trained_run / "config.json").read_bytes())
    status, _, errors = command("predict", tmp_path / "run", picture)
    assert status == 1
    assert "has not saved one yet" in errors


def test_a_run_whose_config_does_not_fit_its_checkpoint_is_one_line(
    command, trained_run, picture, tmp_path
):
    copy = shutil.copytree(trained_run, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    changed = config | {"class_names": config["class_names"][:9]}
    write_json(copy / "config.json", with_checksum(changed))
    lines = f"error: The trained values of {copy} do not fit its network: restore config.json.\n"
    assert command("predict", copy, picture) == (1, "", lines)
