import os

import pytest

from jaxdl.data.own.listing import list_folder
from jaxdl.errors import UserError

SUFFIXES = frozenset((".png", ".jpg"))


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def found(folder):
    listing = list_folder(folder, SUFFIXES, "pictures")
    return {
        split: [
            (str(path.relative_to(folder)), label)
            for path, label in zip(f.contents, f.labels, strict=True)
        ]
        for split, f in listing.items()
    }


def test_a_folder_for_each_class(tmp_path):
    make(tmp_path, "cat/b.png", "cat/deep/er/a.JPG", "dog/1.png", "notes.txt", "dog/notes.txt")
    make(tmp_path, ".git/a.png", "cat/.hidden.png", "dog/.thumbnails/1.png", "__MACOSX/a.png")
    expected = [("cat/b.png", "cat"), ("cat/deep/er/a.JPG", "cat"), ("dog/1.png", "dog")]
    assert found(tmp_path) == {"train": expected}


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Val"])
def test_splits_above_the_classes(tmp_path, validation):
    make(
        tmp_path, "train/cat/1.png", "train/dog/1.png", f"{validation}/cat/2.png", "test/dog/3.png"
    )
    assert found(tmp_path) == {
        "train": [("train/cat/1.png", "cat"), ("train/dog/1.png", "dog")],
        "validation": [(f"{validation}/cat/2.png", "cat")],
        "test": [("test/dog/3.png", "dog")],
    }


def test_folders_beside_the_splits_are_left_out_with_a_note(tmp_path, capsys):
    make(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/dog/3.png", "more/dog/4.png")
    assert {*found(tmp_path)} == {"train", "test"}
    line = f"Folders in {tmp_path} that are no splits are left out: more.\n"
    assert capsys.readouterr().err == line


def test_classes_may_have_the_names_of_splits(tmp_path):
    make(tmp_path, "train/1.png", "bus/1.png", "test/1.png")  # vehicles, and an exam
    assert [label for _, label in found(tmp_path)["train"]] == ["bus", "test", "train"]


def test_folders_that_are_linked_in_a_circle_are_listed_once(tmp_path):
    make(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path / "cat")
    (tmp_path / "dog" / "all").symlink_to(tmp_path)
    listed = found(tmp_path)["train"]
    assert sorted(listed) == [("cat/1.png", "cat"), ("dog/1.png", "dog")]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), r"has no folders: make one for each class, with its pictures in it\."),
        (("1.png",), r"has no folders"),
        (("cat/1.png", "dog/1.txt"), r"class .*dog has no pictures \(\.jpg, \.png\): add some"),
        (("train/1.png", "test/1.png"), r"train has no folders: make one for each class"),
        (("val/cat/1.png", "test/cat/1.png"), r"has test, val, but no folder train: add it"),
    ],
)
def test_a_folder_without_examples_is_refused(tmp_path, names, words):
    make(tmp_path, *names)
    with pytest.raises(UserError, match=words):
        list_folder(tmp_path, SUFFIXES, "pictures")


def test_what_is_passed_over_is_said(tmp_path, capsys):
    make(tmp_path, "train/cat/1.png", "train/cat/2.heic", "train/dog/1.png", "train/dog/2.HEIC")
    make(tmp_path, "test/1.png", "test/2.png")
    assert list(found(tmp_path)) == ["train"]
    errors = capsys.readouterr().err
    assert "test is left out, since it has no folders of classes" in errors
    assert "Files in" in errors
    assert "that are no pictures are passed over: 2 (.heic)" in errors


def test_the_name_of_a_class_must_be_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"c\xff")
    folder.mkdir()
    (folder / "1.png").touch()
    with pytest.raises(UserError, match="is not UTF-8: rename its folder"):
        list_folder(tmp_path, SUFFIXES, "pictures")
