import dataclasses

import jax
import numpy as np
import pytest
import small_models
from safetensors.numpy import save_file

from jaxdl.errors import UserError
from jaxdl.pretrained import PUBLISHED, load_published, load_tokenizer_of
from jaxdl.pretrained.catalog import IMAGENET_CLASSES


@pytest.mark.parametrize("name", small_models.SMALL)
def test_a_model_is_loaded_from_its_files(name, tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, name, small_models.place(name, tmp_path))
    _, variables = load_published(name, tmp_path)
    expected = small_models.random_variables(small_models.SMALL[name])
    jax.tree.map(np.testing.assert_array_equal, variables, expected)


def test_files_that_are_there_need_no_directory_that_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "minilm", small_models.place("minilm", tmp_path))
    (tmp_path / "weights" / "minilm.lock").mkdir()  # in the way of the lock
    load_published("minilm", tmp_path)
    load_tokenizer_of("minilm", tmp_path)


def test_a_file_of_other_weights_may_be_given(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "minilm", small_models.place("minilm", tmp_path))
    path = tmp_path / "weights" / "minilm" / "model.safetensors"
    _, variables = load_published("minilm", tmp_path / "elsewhere", weights=path)
    assert variables["params"]["positions"].shape == (512, 16)


def test_a_file_with_many_more_values_than_the_network_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "minilm", small_models.place("minilm", tmp_path))
    save_file({"a": np.zeros(2_000_000, np.float32)}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"is too large.*Give weights of the same architecture"):
        load_published("minilm", tmp_path, weights=tmp_path / "a.safetensors")


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "minilm", small_models.place("minilm", tmp_path))
    path = tmp_path / "weights" / "minilm" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors .*published"):
        load_published("minilm", tmp_path)


def test_without_a_network_the_error_names_the_missing_files_and_their_folder(
    tmp_path, monkeypatch
):
    there = small_models.place("minilm", tmp_path / "elsewhere")
    monkeypatch.setitem(PUBLISHED, "minilm", there)
    with pytest.raises(UserError, match=r"\S+minilm\b.* model.safetensors \(sha"):
        load_published("minilm", tmp_path)
    assert not (tmp_path / "weights" / "minilm.temporary").exists()


def test_the_tokenizer_splits_words_into_pieces(tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "minilm", small_models.place("minilm", tmp_path))
    tokenizer = load_tokenizer_of("minilm", tmp_path)
    tokens = tokenizer.encode("It's<br />GOOD films!").tokens
    assert tokens == ["[CLS]", "it", "[UNK]", "[UNK]", "good", "film", "##s", "[UNK]", "[SEP]"]


def test_a_damaged_vocabulary_is_refused(tmp_path, monkeypatch):
    published = small_models.place("minilm", tmp_path)
    vocabulary = tmp_path / "weights" / "minilm" / "vocab.txt"
    vocabulary.write_text("a\nb\n")
    (website,) = published.sources
    files = (website.files[0], small_models.describe(vocabulary))
    website = dataclasses.replace(website, files=files)
    published = dataclasses.replace(published, sources=(website,))
    monkeypatch.setitem(PUBLISHED, "minilm", published)
    with pytest.raises(UserError, match="is not a vocabulary"):
        load_tokenizer_of("minilm", tmp_path)


def test_the_catalog_is_complete():
    assert len(set(IMAGENET_CLASSES)) == 1000
    for published in PUBLISHED.values():
        assert published.licence
        assert published.homepage.startswith("https://")
        assert len(published.class_names) in (0, getattr(published.build(), "num_classes", 0))
        for source in published.sources:
            assert published.weights in {file.name for file in source.files}
            assert all(len(file.sha256) == 64 for file in source.files)
