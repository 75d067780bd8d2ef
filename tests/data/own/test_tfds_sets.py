import io
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from small_own import COLOURS

from jaxdl.data import records
from jaxdl.data.own.loading import ReadOptions, load_own_images, load_own_texts
from jaxdl.data.own.tfds_sets import TFRecords
from jaxdl.errors import UsageError, UserError

CLASSES = ("blue", "green", "red")


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    buffer.seek(0)
    return buffer


class Paint(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Pictures of several sizes."""

    VERSION = tfds.core.Version("1.2.0")

    def _info(self):
        features = {
            "name": tfds.features.Text(),
            "picture": tfds.features.Image(shape=(None, None, 3)),
            "colour": tfds.features.ClassLabel(names=CLASSES),
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, manager):
        return {"train": self._generate_examples(24), "validation": self._generate_examples(6, 100)}

    def _generate_examples(self, count, first=0):
        for number in range(first, first + count):
            colour = CLASSES[number % 3]
            image = np.full((20 + number, 30, 3), COLOURS[colour], np.uint8)
            image[0, 0] = number
            yield number, {"name": str(number), "picture": png(image), "colour": colour}


class Words(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Texts, in two configurations."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = (tfds.core.BuilderConfig(name="a"), tfds.core.BuilderConfig(name="b"))

    def _info(self):
        features = {
            "sentence": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, manager):
        return {"train": self._generate_examples(20), "test": self._generate_examples(4, -1)}

    def _generate_examples(self, count, label=None):
        for number in range(count):
            yield (
                number,
                {"sentence": f"é {number}", "label": number % 2 if label is None else label},
            )


def prepare(builder_class, data_dir, **options):
    with records.quiet():
        builder = builder_class(data_dir=data_dir, file_format="array_record", **options)
        builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def paint_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    prepare(Paint, folder)
    return folder


def test_pictures_of_several_sizes(paint_dir):
    dataset = load_own_images("tfds:paint", paint_dir, 0.25, ReadOptions(side=16))
    assert (dataset.name, dataset.class_names) == ("tfds:paint", CLASSES)
    sizes = [len(split["label"]) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [18, 6, 6]  # the split that the set calls validation is its test
    brightest = dataset.test["image"].mean((1, 2)).argmax(-1)
    assert (brightest == np.array([2, 1, 0])[dataset.test["label"]]).all()


def test_a_picture_beside_a_text_is_not_decoded(paint_dir, monkeypatch):
    """For some formats Pillow would start other programs."""
    monkeypatch.setattr(tfds.features.Image, "decode_example", None)
    dataset = load_own_texts("tfds:paint", paint_dir, 0.0, ReadOptions())
    assert {*dataset.train["text"]} == {str(number) for number in range(24)}


def write_as_tfrecords(version):
    """Writes the records of a split again in the other format, as TensorFlow would."""
    information = (version / records.INFORMATION).read_text()
    information = information.replace("array_record", "tfrecord")
    for path in sorted(version.glob("*.array_record*")):
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        source = ArrayRecordDataSource([str(path)])
        with Path(str(path).replace("array_record", "tfrecord")).open("wb") as file:
            for number in range(len(source)):
                record = source[number]
                file.write(struct.pack("<Q", len(record)) + bytes(4) + record + bytes(4))
        path.unlink()
    (version / records.INFORMATION).write_text(information)


def test_tfrecord_files_are_read_without_tensorflow(paint_dir, tmp_path):
    expected = load_own_images("tfds:paint", paint_dir, 0.25, ReadOptions(side=16))
    version = prepare(Paint, tmp_path).data_path
    write_as_tfrecords(Path(version))
    dataset = load_own_images("tfds:paint", tmp_path, 0.25, ReadOptions(side=16))
    np.testing.assert_array_equal(dataset.train["image"], expected.train["image"])


def test_records_that_are_cut_off_are_found(tmp_path):
    (tmp_path / "a").write_bytes(struct.pack("<Q", 5) + bytes(4) + b"hello" + bytes(4))
    assert TFRecords([tmp_path / "a"])[0] == b"hello"
    for length in (3, 12, 20):
        (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:length])
        with pytest.raises(ValueError, match="ends within a record"):
            TFRecords([tmp_path / "b"])


def test_texts_of_a_configuration_without_the_labels_of_the_test_split(tmp_path):
    for name in ("a", "b"):
        prepare(Words, tmp_path, config=name)
    dataset = load_own_texts("tfds:words:b", tmp_path, 0.1, ReadOptions())
    assert dataset.class_names == ("no", "yes")
    assert (
        len(dataset.train["text"]) + len(dataset.validation["text"]) + len(dataset.test["text"])
        == 20
    )
    assert dataset.train["text"][0].startswith("é ")
    with pytest.raises(UsageError, match="several configurations: add :a or :b"):
        load_own_texts("tfds:words", tmp_path, 0.1, ReadOptions())
    with pytest.raises(UsageError, match="no classification of images: its features are"):
        load_own_images("tfds:words:a", tmp_path, 0.1, ReadOptions())


def test_what_is_not_prepared_takes_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs TensorFlow\. .*tfds build rose --file_format"):
        load_own_images("tfds:rose", tmp_path, 0.1, ReadOptions())


@pytest.mark.parametrize("name", ["", "../x", "a b", "a:../b", "A"])
def test_a_name_is_no_path(name, tmp_path):
    with pytest.raises(UsageError, match="must look like tfds:NAME"):
        load_own_images(f"tfds:{name}", tmp_path, 0.1, ReadOptions())


def test_a_broken_picture_is_named(tmp_path, monkeypatch):
    prepare(Paint, tmp_path)
    monkeypatch.setattr(Image, "open", lambda *_, **__: Image.new("RGB", (3, 3)).tobytes().nothing)
    with pytest.raises(
        UserError, match=r"30 of 30 pictures .*Record 0 of the train split: the picture .*Record 1"
    ):
        load_own_images("tfds:paint", tmp_path, 0.1, ReadOptions(side=16))


def test_damaged_records_are_one_line(tmp_path):
    version = prepare(Paint, tmp_path).data_path
    for path in Path(version).glob("*.array_record*"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"^tfds:paint: .* is damaged \(") as failure:
        load_own_images("tfds:paint", tmp_path, 0.1, ReadOptions(side=16))
    assert "\n" not in str(failure.value)


def test_what_a_killed_preparation_left_is_no_version(tmp_path):
    prepare(Paint, tmp_path)
    left = tmp_path / "paint" / "1.0.0.incomplete9999.9.9"
    shutil.copytree(next((tmp_path / "paint").glob("1.*")), left)
    (left / "features.json").unlink()
    assert len(load_own_images("tfds:paint", tmp_path, 0.1, ReadOptions(side=16)).train["label"])
