"""The contestants that read pictures."""

import functools
import importlib
import json
import sys

import numpy as np
import pytest

from experiments.benchmark import jpeg_files
from experiments.benchmark.contestants import PIPELINE_PEERS, PIPELINES
from experiments.benchmark.our_pipeline import OurPipeline, build_without_the_extra
from experiments.benchmark.workloads import READING, random_data
from jaxdl.data import crops

BATCH = 4


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(jpeg_files, "DEFAULT_DATA_DIR", tmp_path)
    monkeypatch.setattr(jpeg_files, "COUNT", 12)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return random_data(READING, 12)


def test_the_pictures_are_made_once(pictures, monkeypatch):
    assert len(pictures["file"]) == len(pictures["label"]) == 12
    monkeypatch.setattr(jpeg_files, "_make", lambda *_: pytest.fail("made them again"))
    again = random_data(READING, 12)
    assert again["file"].tolist() == pictures["file"].tolist()


def test_ours_reads_the_batches_of_a_training(pictures):
    pipeline = OurPipeline(READING, pictures, BATCH, "float32")
    pipeline.read(3)  # an epoch
    seen = next(pipeline._batches)
    assert seen["image"].shape == (BATCH, *READING.input_shape)
    assert seen["image"].dtype == np.uint8
    assert seen["epoch"].tolist() == [1] * BATCH


def test_ours_reads_them_without_the_extra_too(pictures, monkeypatch):
    monkeypatch.setattr(crops, "_libraries", functools.cache(crops._libraries.__wrapped__))
    monkeypatch.setitem(
        sys.modules, "simplejpeg", None
    )  # which the contestant sets, and this takes back
    build_without_the_extra(READING, pictures, BATCH, "float32").read(1)
    assert crops._libraries() is None


@pytest.mark.peers
@pytest.mark.parametrize("name", [name for name in PIPELINE_PEERS if name != "ours-pillow"])
def test_each_peer_reads_batches(pictures, name):
    entry = PIPELINES[name]
    module = importlib.import_module(f"experiments.benchmark.{entry.module}")
    getattr(module, entry.build)(READING, pictures, BATCH, "float32").read(4)


@pytest.mark.usefixtures("every_turn_is_steady")
@pytest.mark.slow
def test_reading_is_timed(command, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    output = tmp_path / "input.json"
    options = ("--work", "input", "--rounds", 1, "--seconds", 0.05, "--peers")
    status, _, errors = command("benchmark", *options, "--batch-sizes", BATCH, "--output", output)
    assert status == 0, errors
    (result,) = json.loads(output.read_text())["results"]
    assert (result["model"], result["work"]) == ("pictures", "input")
    assert result["share_of_peak"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--work", "input", "--models", "mlp"), "--models has no effect with --work input"),
        (("--work", "input", "--peers", "keras-jax"), "keras-jax is no contestant with"),
        (("--peers", "tf-data"), "tf-data is no contestant with --work train"),
    ],
)
def test_what_does_not_fit_is_refused(command, arguments, words):
    status, _, errors = command("benchmark", *arguments)
    assert (status, errors.count("\n")) == (2, 1)
    assert words in errors
