import gzip
import io
import json
import tarfile

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies
from PIL import Image

from jaxdl.data import load
from jaxdl.data.cifar import (
    Cifar10,
    Cifar100,
    Examples,
    digest,
    read_archive,
    read_labels,
    read_sheets,
)
from jaxdl.errors import UserError


def new_examples(count, seed=0, num_classes=10):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 32, 32, 3), np.uint8)
    return Examples(images, random.integers(0, num_classes, count).astype(np.uint8))


def binary(examples, coarse=False):
    """Encodes records of the official format byte by byte."""
    content = b""
    for image, label in zip(*examples, strict=True):
        content += bytes([19] * coarse) + bytes([label])
        content += b"".join(image[:, :, channel].tobytes() for channel in range(3))
    return content


def write_archive(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def splits():
    return {"train": new_examples(10), "test": new_examples(4, seed=1)}


@pytest.fixture
def archive(tmp_path, splits):
    contents = {
        name: binary(Examples(*(array[2 * part : 2 * part + 2] for array in splits["train"])))
        for part, name in enumerate(Cifar10.MEMBERS["train"])
    }
    contents["cifar-10-batches-bin/readme.html"] = b"other"
    contents[Cifar10.MEMBERS["test"][0]] = binary(splits["test"])
    write_archive(tmp_path / "archive.tar.gz", contents)
    return tmp_path / "archive.tar.gz"


@pytest.fixture
def sheets(tmp_path, splits):
    folder = tmp_path / "sheets"
    folder.mkdir()
    for part in range(5):
        rows = splits["train"].images[2 * part : 2 * part + 2].reshape(2, 1024, 3)
        Image.fromarray(rows).save(folder / f"data_batch_{part + 1}.png")
    Image.fromarray(splits["test"].images.reshape(4, 1024, 3)).save(folder / "test_batch.png")
    for split, examples in splits.items():
        (folder / f"{split}_lables.json").write_text(json.dumps(examples.labels.tolist()))
    return folder


def assert_same(splits, others):
    for split, examples in splits.items():
        for array, other in zip(examples, others[split], strict=True):
            np.testing.assert_array_equal(array, other)


def test_the_archive_and_the_mirror_give_the_same_examples(archive, sheets, splits):
    assert_same(splits, read_archive(archive, Cifar10.MEMBERS, Cifar10.LABEL_BYTES))
    assert_same(splits, read_sheets(sheets))


def test_the_error_of_a_damaged_sheet_is_one_line(sheets):
    path = sheets / "data_batch_3.png"
    for content in (path.read_bytes()[:-30], b"%!PS-Adobe-3.0 EPSF-3.0\n"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"^.*data_batch_3\.png is damaged .*$"):
            read_sheets(sheets)


def test_the_fine_labels_of_cifar100_are_read(tmp_path):
    splits = {"train": new_examples(3, 2, 100), "test": new_examples(2, 3, 100)}
    contents = {
        Cifar100.MEMBERS[split][0]: binary(examples, coarse=True)
        for split, examples in splits.items()
    }
    write_archive(tmp_path / "archive.tar.gz", contents)
    read = read_archive(tmp_path / "archive.tar.gz", Cifar100.MEMBERS, Cifar100.LABEL_BYTES)
    assert_same(splits, read)


@given(data=strategies.data())
@settings(max_examples=20, deadline=None)
def test_a_digest_changes_with_every_byte(data):
    examples = new_examples(2)
    changed = Examples(*(array.copy() for array in examples))
    array = data.draw(strategies.sampled_from(changed)).reshape(-1)
    array[data.draw(strategies.integers(0, array.size - 1))] += 1
    assert digest(changed) != digest(examples)
    assert digest(Examples(*(array.copy() for array in examples))) == digest(examples)


@pytest.mark.parametrize(
    "damage", ["truncated", "not an archive", "missing member", "missing byte"]
)
def test_the_error_of_a_damaged_archive_is_one_line(archive, tmp_path, damage):
    if damage == "truncated":
        archive.write_bytes(archive.read_bytes()[:-3000])
    elif damage == "not an archive":
        archive.write_bytes(b"not an archive")
    elif damage == "missing member":
        write_archive(archive, {Cifar10.MEMBERS["test"][0]: b""})
    else:
        names = (*Cifar10.MEMBERS["train"], *Cifar10.MEMBERS["test"])
        write_archive(archive, dict.fromkeys(names, b"x" * 3072))
    with pytest.raises(UserError, match="is damaged") as failure:
        read_archive(archive, Cifar10.MEMBERS, Cifar10.LABEL_BYTES)
    assert "\n" not in str(failure.value)


def test_an_archive_that_would_fill_the_memory_is_refused(archive, monkeypatch):
    monkeypatch.setattr("jaxdl.data.builder.MOST_BYTES", 5 * 2 * 3073)
    with pytest.raises(UserError, match="its members are too large"):
        read_archive(archive, Cifar10.MEMBERS, Cifar10.LABEL_BYTES)


@settings(max_examples=100, deadline=None)
@given(
    changes=strategies.dictionaries(strategies.integers(0, 511), strategies.binary(max_size=8)),
    length=strategies.integers(0, 3073),
)
def test_any_archive_is_read_or_refused(tmp_path_factory, changes, length):
    path = tmp_path_factory.mktemp("archives") / "archive.tar.gz"
    names = (*Cifar10.MEMBERS["train"], *Cifar10.MEMBERS["test"])
    write_archive(path, dict.fromkeys(names, bytes(length)))
    content = bytearray(gzip.decompress(path.read_bytes()))
    for place, value in changes.items():
        content[place : place + len(value)] = value
    path.write_bytes(gzip.compress(content, 1))
    try:
        read_archive(path, Cifar10.MEMBERS, Cifar10.LABEL_BYTES)
    except UserError as error:
        assert str(error).isprintable()


any_json = strategies.recursive(
    strategies.none() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
    max_leaves=5,
)
byte = strategies.integers(0, 255)


@settings(max_examples=200, deadline=None)
@given(
    strategies.lists(byte).map(lambda labels: json.dumps(labels).encode())
    | any_json.map(lambda value: json.dumps(value).encode())
    | strategies.binary(max_size=50)
)
@example(b"[" * 100_000)
@example(b"10000000000000")
@example(b"[1" + b"0" * 5000 + b"]")
def test_any_labels_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("labels") / "labels.json"
    path.write_bytes(content)
    try:
        labels = read_labels(path)
    except UserError as error:
        assert str(error).isprintable()
    else:
        assert labels.dtype == np.uint8
        assert labels.tolist() == [*json.loads(content)]


@pytest.fixture
def data_dir(tmp_path, archive, monkeypatch):
    """A data directory with an archive of `Cifar10`, which passes for the published one."""
    folder = tmp_path / "data" / "downloads" / "cifar10"
    folder.mkdir(parents=True)
    archive.rename(folder / Cifar10.ARCHIVE.name)
    monkeypatch.setattr("jaxdl.data.sources.File.matches", lambda file, path: True)
    return tmp_path / "data"


def test_a_data_set_has_the_documented_arrays(data_dir, splits, monkeypatch):
    digests = {split: digest(examples) for split, examples in splits.items()}
    monkeypatch.setattr(Cifar10, "DIGESTS", digests)
    dataset = load("cifar10", data_dir, validation_fraction=0.2)
    assert (len(dataset.train["label"]), len(dataset.validation["label"])) == (8, 2)
    assert dataset.test["image"].shape == (4, 32, 32, 3)
    assert dataset.test["image"].dtype == np.uint8
    assert dataset.class_names == Cifar10.CLASS_NAMES
    originals = {image.tobytes(): label for image, label in zip(*splits["test"], strict=True)}
    for image, label in zip(dataset.test["image"], dataset.test["label"], strict=True):
        assert originals[image.tobytes()] == label


def test_images_that_were_not_published_are_refused(data_dir):
    with pytest.raises(UserError, match="are not the published ones"):
        load("cifar10", data_dir)
