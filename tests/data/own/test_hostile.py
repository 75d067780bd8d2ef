"""Data that someone made to do harm, or that only looks like it."""

import dataclasses
import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from small_own import write_pictures

from jaxdl.data.own.loading import ReadOptions, load_own_images, load_own_texts
from jaxdl.data.tokens import tokenise
from jaxdl.errors import UserError


def png_of_zeros(width, height):
    """Makes a PNG of black pixels, which takes a thousandth of its pixels' memory."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    deflate = zlib.compressobj(9)
    rows = b"".join(deflate.compress(bytes(1 + 3 * width)) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", rows + deflate.flush()) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@pytest.fixture
def paint(tmp_path):
    return write_pictures(tmp_path / "paint")


def load(folder, data_dir, stream, skip_broken=True):
    options = ReadOptions(side=16, stream=stream, skip_broken=skip_broken)
    return load_own_images(str(folder), data_dir, 0.25, options)


def images_in(dataset):
    return sum(len(split["image"]) for split in (dataset.train, dataset.validation, dataset.test))


def outside_data(folder):
    """Lists the files that are not in the data directory."""
    return sorted(path for path in folder.rglob("*") if path.relative_to(folder).parts[0] != "data")


@pytest.mark.parametrize("stream", [False, True])
def test_hostile_pictures_are_named_and_left_out(paint, tmp_path, stream, capsys):
    bomb = png_of_zeros(9000, 9000)
    assert len(bomb) < 500_000
    (paint / "red" / "bomb.png").write_bytes(bomb)
    (paint / "red" / "text.jpg").write_text("%!PS\n(quit) run")
    (paint / "red" / "secret.png").symlink_to("/etc/passwd")
    (paint / "red" / "itself.png").symlink_to("itself.png")
    os.mkfifo(paint / "red" / "pipe.png")
    before = outside_data(tmp_path)
    loaded = load(paint, tmp_path / "data", stream)
    assert images_in(loaded) == 36
    assert "cannot be read and are left out" in capsys.readouterr().err
    assert outside_data(tmp_path) == before
    with pytest.raises(UserError, match="5 of 41 pictures cannot be read"):
        load(paint, tmp_path / "data", stream, skip_broken=False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("size", [(100_000, 1), (1, 60_000)])
def test_a_picture_of_one_long_line_is_read(paint, tmp_path, stream, size):
    Image.new("RGB", size, "red").save(paint / "red" / "line.png")
    loaded = load(paint, tmp_path / "data", stream, skip_broken=False)
    images = loaded.train["image"]
    if stream:
        images = images.with_random_crops(0.1, seed=0)
        assert images.for_training(np.arange(len(images)), 0).shape == images.shape
    assert images_in(loaded) == 37


def test_names_of_files_may_be_anything(paint, tmp_path):
    for name in (b"new\nline.png", b"\xff\xfe.png", b"-r.png", b"\x1b[31m.png", "😀.png".encode()):
        content = (paint / "red" / "1.png").read_bytes() + name  # others than its neighbours
        (paint / "red" / os.fsdecode(name)).write_bytes(content)
    loaded = load(paint, tmp_path / "data", stream=False, skip_broken=False)
    assert images_in(loaded) == 41
    broken = paint / "red" / os.fsdecode(b"bad\n\xff\x1b[31m.png")
    broken.write_bytes(b"no picture")
    with pytest.raises(UserError, match="1 of 42 pictures cannot be read") as error:
        load(paint, tmp_path / "data", stream=False, skip_broken=False)
    assert "bad" in str(error.value)


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png", "../outside.png", "/etc/passwd"])
def test_names_in_a_table_are_of_files_beside_it(paint, tmp_path, name):
    rows = [{"file": f"red/{n}.png", "label": "red"} for n in (1, 6)]
    rows.append({"file": name, "label": "blue"})
    (paint / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match=r"no file can have that name|, which is not in "):
        load(paint, tmp_path / "data", stream=False)


def test_labels_are_only_names(tmp_path):
    labels = ("../../outside", "/etc/passwd", "new\nline", "\x1b[31mred", "a\\b")
    rows = [f'text {number},"{labels[number % 5]}"' for number in range(100)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *rows]))
    before = outside_data(tmp_path)
    loaded = load_own_texts(str(tmp_path / "texts.csv"), tmp_path / "data", 0.25, ReadOptions())
    assert set(loaded.class_names) == {*labels}
    hostile = dataclasses.replace(loaded, name="../../../escaped")
    tokenise(hostile, tmp_path / "data", 50, 5, "end")
    assert outside_data(tmp_path) == before
