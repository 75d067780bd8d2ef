import os
import time

import numpy as np
import pytest
from PIL import Image
from small_own import write_picture, write_pictures

from jaxdl.data.own import reading
from jaxdl.data.own.loading import ReadOptions, load_own_images, load_own_texts
from jaxdl.errors import UsageError, UserError


@pytest.fixture
def load(tmp_path):
    def load_images(folder, **options):
        options = {"side": 16, **options}
        return load_own_images(str(folder), tmp_path / "data", 0.25, ReadOptions(**options))

    return load_images


def test_pictures_of_all_formats_and_sizes_become_images(load, tmp_path):
    dataset = load(write_pictures(tmp_path / "paint"))
    assert (dataset.name, dataset.class_names) == ("paint", ("blue", "green", "red"))
    sizes = [len(split["label"]) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sum(sizes) == 36
    assert min(sizes) >= 3
    assert dataset.train["image"].shape[1:] == (16, 16, 3)
    brightest = dataset.train["image"].mean((1, 2)).argmax(-1)
    assert (brightest == np.array([2, 1, 0])[dataset.train["label"]]).all()
    assert {*dataset.validation["label"]} == {0, 1, 2}


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "LA", "I;16"])
def test_pictures_of_any_mode(load, tmp_path, mode):
    folder = write_pictures(tmp_path / "paint", 3)
    suffix = "tiff" if mode == "CMYK" else "png"
    if mode == "I;16":
        Image.fromarray(np.full((30, 40), 60_000, np.uint16)).save(folder / "red" / "a.png")
    else:
        write_picture(folder / "red" / f"a.{suffix}", "red", 99, mode)
    dataset = load(folder)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sum(len(split["image"]) for split in splits) == 10


def test_the_orientation_of_a_photograph_is_respected(load, tmp_path):
    folder = write_pictures(tmp_path / "paint", 4)
    halves = np.zeros((32, 32, 3), np.uint8)
    halves[:16] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    for colour in ("red", "green", "blue"):
        for path in (folder / colour).iterdir():
            path.unlink()
        for number in range(3):
            halves[20, 20] = number * 50
            Image.fromarray(halves).save(folder / colour / f"{number}.png", exif=exif)
    images = load(folder).train["image"]
    assert (images[:, :6].mean() < 50) and (images[:, -6:].mean() > 200)


def test_a_second_load_reads_no_file(load, tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "paint", 4)
    first = load(folder)

    def fail(*_):
        raise AssertionError

    monkeypatch.setattr(reading, "read_photograph", fail)
    second = load(folder)
    np.testing.assert_array_equal(first.train["image"], second.train["image"])
    with pytest.raises(AssertionError):
        load(folder, side=20)


def test_what_has_changed_is_read_again(load, tmp_path):
    folder = write_pictures(tmp_path / "paint", 4)
    before = load(folder)
    write_picture(folder / "red" / "new.png", "red", 77)
    assert len(load(folder).train["label"]) + len(load(folder).test["label"]) > sum(
        len(split["label"]) for split in (before.train, before.test)
    )
    (kept,) = (tmp_path / "data" / "own").glob("paint-????????????????")
    assert kept.is_dir()


def break_some(folder):
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff nonsense")
    (folder / "red" / "empty.png").write_bytes(b"")
    os.mkfifo(folder / "blue" / "pipe.png")
    return folder


def test_broken_pictures_are_named(load, tmp_path):
    folder = break_some(write_pictures(tmp_path / "paint", 4))
    words = "3 of 15 pictures cannot be read: repair or remove them, or give --skip-broken. .*pipe"
    with pytest.raises(UserError, match=words):
        load(folder)


def test_broken_pictures_are_left_out_on_request(load, tmp_path, capsys):
    folder = break_some(write_pictures(tmp_path / "paint", 4))
    dataset = load(folder, skip_broken=True)
    splits = (dataset.train, dataset.validation, dataset.test)
    assert sum(len(split["label"]) for split in splits) == 12
    assert "3 of 15 pictures cannot be read and are left out" in capsys.readouterr().err


def test_a_picture_of_one_row_is_read(load, tmp_path):
    folder = write_pictures(tmp_path / "paint", 4)
    Image.new("RGB", (100_000, 1)).save(folder / "red" / "line.png")
    started = time.monotonic()
    load(folder)
    assert time.monotonic() - started < 20


def test_a_table_of_pictures(load, tmp_path):
    folder = write_pictures(tmp_path / "paint", 4)
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in folder.rglob("*.*")]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    from_table, from_file = load(folder), load(folder / "labels.csv")
    (folder / "labels.csv").unlink()
    from_folder = load(folder)
    for other in (from_file, from_folder):
        np.testing.assert_array_equal(from_table.train["image"], other.train["image"])


def test_texts_of_three_classes(tmp_path):
    path = tmp_path / "table.csv"
    rows = [f'"{word} {number}, ""so"" 😀",{word}' for word in "abc" for number in range(20)]
    path.write_text("\n".join(["text,label", *rows]))
    dataset = load_own_texts(str(path), tmp_path / "data", 0.2, ReadOptions())
    assert dataset.class_names == ("a", "b", "c")
    splits = (dataset.train, dataset.validation, dataset.test)
    texts = [text for split in splits for text in split["text"]]
    assert len(texts) == 60
    assert 'a 7, "so" 😀' in texts
    for split in splits:
        assert [text[0] for text in split["text"]] == ["abc"[label] for label in split["label"]]


def test_a_folder_of_texts(tmp_path):
    for split, count in (("train", 6), ("test", 2)):
        for word in ("neg", "pos"):
            folder = tmp_path / "texts" / split / word
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.txt").write_text(f"{word} {split} {number}", "utf-8-sig")
    (tmp_path / "texts" / "train" / "neg" / "7.txt").write_bytes(b"\xff\xfe")
    where = (str(tmp_path / "texts"), tmp_path / "data", 0.5)
    with pytest.raises(UserError, match=r"1 of 17 texts cannot be read: .*7\.txt.*not UTF-8"):
        load_own_texts(*where, ReadOptions())
    dataset = load_own_texts(*where, ReadOptions(skip_broken=True))
    sizes = [len(split["text"]) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [6, 6, 4]
    assert dataset.train["text"][0].startswith(dataset.class_names[dataset.train["label"][0]])


def test_a_directory_that_cannot_be_written_is_no_obstacle(load, tmp_path, capsys):
    (tmp_path / "data").write_text("a file")
    assert len(load(write_pictures(tmp_path / "paint", 4)).train["label"])
    assert "the next start takes as long" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["label_column", "text_column"])
def test_a_folder_has_no_columns(tmp_path, option):
    for name in ("good/1.txt", "bad/1.txt"):
        path = tmp_path / "texts" / name
        path.parent.mkdir(parents=True)
        path.write_text("some words")
    words = f"--{option.replace('_', '-')} has no effect with .*texts, which is no table"
    with pytest.raises(UsageError, match=words):
        load_own_texts(str(tmp_path / "texts"), tmp_path, 0.0, ReadOptions(**{option: "x"}))


def test_what_is_not_there_is_wrong_usage(tmp_path):
    with pytest.raises(
        UsageError, match=r"There is no data set mnits: give one of mnist, .* or hf:OWNER/NAME\."
    ):
        load_own_images("mnits", tmp_path, 0.1, ReadOptions())
    (tmp_path / "pictures.zip").write_text("")
    with pytest.raises(UserError, match=r"neither a folder nor a table .*: give one; unpack"):
        load_own_images(str(tmp_path / "pictures.zip"), tmp_path, 0.1, ReadOptions())


def test_remarks_are_made_at_each_start(tmp_path, capsys):
    folder = write_pictures(tmp_path / "paint")
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    said = []
    for _ in range(2):
        load_own_images(str(folder), tmp_path / "data", 0.25, ReadOptions(skip_broken=True))
        said.append(capsys.readouterr().err)
    for words in ("1 of 37 pictures cannot be read and are left out", "has no test split"):
        assert words in said[0]
        assert words in said[1]
