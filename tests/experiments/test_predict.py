import json

import numpy as np
import pytest
from PIL import Image, ImageDraw


@pytest.fixture
def picture(tmp_path):
    """A large picture of a thick stroke, dark on light."""
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


def test_json_has_all_probabilities(command, trained_run, picture):
    status, output, _ = command("predict", trained_run, picture, "--json")
    assert status == 0
    (prediction,) = json.loads(output)
    assert prediction["input"] == str(picture)
    assert list(prediction["probabilities"]) == list("0123456789")
    assert np.isclose(sum(prediction["probabilities"].values()), 1.0)
    assert prediction["probability"] == max(prediction["probabilities"].values())
    assert prediction["probabilities"][prediction["label"]] == prediction["probability"]


def test_a_text_file_is_no_picture(command, trained_run, picture, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    status, output, errors = command("predict", trained_run, picture, tmp_path / "text.png")
    assert (status, output) == (1, "")
    assert errors.splitlines() == [
        f"error: {tmp_path / 'text.png'} cannot be read as an image: give a PNG or JPEG file."
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "RUN|MODEL"),
        (("nowhere", "a.png"), 2, "nowhere is not the directory of a run"),
        (("RUN", "no.png"), 1, "There is no file no.png"),
        (("RUN",), 2, "No input"),
    ],
)
def test_wrong_usage_is_one_line(command, trained_run, arguments, status, words):
    given = [trained_run if argument == "RUN" else argument for argument in arguments]
    actual, _, errors = command("predict", *given)
    (line,) = errors.splitlines()
    assert (actual, line.startswith("error: ")) == (status, True)
    assert words in line


def test_a_run_without_a_checkpoint_is_one_line(command, trained_run, picture, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_bytes((trained_run / "config.json").read_bytes())
    status, _, errors = command("predict", tmp_path / "run", picture)
    assert status == 1
    assert "has not saved one yet" in errors
