from pathlib import Path

import pytest
import tensorflow_datasets as tfds

from jaxdl.data import IMAGE_DATASETS, TEXT_DATASETS, preparation
from jaxdl.data.catalog import CATALOG


def test_each_data_set_is_of_images_or_of_texts():
    assert sorted(IMAGE_DATASETS + TEXT_DATASETS) == sorted(CATALOG)
    assert all(CATALOG[name].subject for name in IMAGE_DATASETS)


@pytest.mark.parametrize("name", CATALOG)
def test_an_entry_agrees_with_its_builder(name):
    entry = CATALOG[name]
    builder = entry.builder_class()
    assert (builder.name, str(builder.VERSION)) == (name, entry.version)
    assert len(builder.CLASS_NAMES) == entry.num_classes
    assert len(entry.class_names) in (0, entry.num_classes)
    assert builder.SOURCES


@pytest.mark.parametrize("name", CATALOG)
def test_a_builder_agrees_with_the_one_of_tensorflow_datasets(name, tmp_path):
    original = tfds.builder(name, data_dir=tmp_path)
    ours = CATALOG[name].builder_class()(data_dir=tmp_path)
    assert ours.version == original.version
    assert ours.data_dir == original.data_dir
    assert ours.info.supervised_keys == original.info.supervised_keys
    assert Path(ours.data_dir) == preparation._folder(name, tmp_path)
    for feature in ours.info.features:  # the original may have more, such as an id
        assert repr(ours.info.features[feature]) == repr(original.info.features[feature])
    names = original.info.features["label"].names
    numbers = [str(label) for label in range(len(names))]  # before the data is prepared
    assert names in (ours.info.features["label"].names, numbers)
    assert len(ours.info.features["label"].names) == len(names)


@pytest.mark.parametrize("name", CATALOG)
def test_official_files_agree_with_those_of_tensorflow_datasets(name, tmp_path):
    originals = tfds.builder(name, data_dir=tmp_path).url_infos
    official = CATALOG[name].builder_class().SOURCES[0]
    assert {official.address + file.name: (file.size, file.sha256) for file in official.files} == {
        url: (int(info.size), info.checksum) for url, info in originals.items()
    }
