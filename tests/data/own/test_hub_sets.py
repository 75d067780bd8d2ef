import io

import numpy as np
import pytest
from PIL import Image
from small_own import COLOURS

from jaxdl.data.own.loading import ReadOptions, load_own_images, load_own_texts
from jaxdl.errors import UsageError, UserError

datasets = pytest.importorskip("datasets")


@pytest.fixture
def hub(monkeypatch):
    """What the library would return for OWNER/NAME."""
    known = {}

    def load_dataset(name, config=None):
        if (name, config) not in known:
            raise FileNotFoundError(f"no {name} on the hub\nor in the cache")
        return datasets.DatasetDict(known[name, config])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return known


def pictures(count):
    columns = {"img": [], "label": []}
    for number in range(count):
        image = np.full((20 + number, 30, 3), [*COLOURS.values()][number % 3], np.uint8)
        image[0, 0] = number
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "png")
        columns["img"].append({"bytes": buffer.getvalue(), "path": None})
        columns["label"].append(number % 3)
    features = {"img": datasets.Image(), "label": datasets.ClassLabel(names=[*COLOURS])}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def test_pictures(hub, tmp_path):
    hub["someone/paint", None] = {"train": pictures(24), "test": pictures(9)}
    dataset = load_own_images("hf:someone/paint", tmp_path, 0.25, ReadOptions(side=16))
    assert dataset.class_names == ("blue", "green", "red")
    assert dataset.train["image"].shape == (18, 16, 16, 3)
    brightest = dataset.test["image"].mean((1, 2)).argmax(-1)
    assert (brightest == np.array([2, 1, 0])[dataset.test["label"]]).all()


def test_texts_with_labels_of_another_kind_and_a_configuration(hub, tmp_path):
    columns = {"sentence": [f"text {n}" for n in range(20)], "stars": [n % 4 for n in range(20)]}
    hub["someone/words", "de"] = {"train": datasets.Dataset.from_dict(columns)}
    dataset = load_own_texts("hf:someone/words:de", tmp_path, 0.0, ReadOptions())
    assert dataset.class_names == ("0", "1", "2", "3")
    assert len(dataset.train["text"]) + len(dataset.test["text"]) == 20
    with pytest.raises(
        UsageError, match="has no column of images; its columns are sentence, stars"
    ):
        load_own_images("hf:someone/words:de", tmp_path, 0.0, ReadOptions())


def test_a_split_without_labels_is_left_out_and_so_is_one_of_another_kind(hub, tmp_path, capsys):
    train = {"text": [f"text {n}" for n in range(20)], "label": [n % 2 for n in range(20)]}
    unlabelled = {"text": ["some text"] * 3}
    for hidden in ({"label": [-1] * 3}, {"label": [None] * 3}, {}):
        splits = {"train": train, "test": unlabelled | hidden, "extra": train}
        splits = {name: datasets.Dataset.from_dict(columns) for name, columns in splits.items()}
        hub["someone/words", None] = splits
        dataset = load_own_texts("hf:someone/words", tmp_path, 0.0, ReadOptions())
        assert len(dataset.train["text"]) + len(dataset.test["text"]) == 20
        assert capsys.readouterr().err.startswith(
            "The test split of hf:someone/words is left out, since it lacks labels.\n"
            "The extra split of hf:someone/words is left out.\n"
        )
    hub["someone/words", None]["train"] = splits["test"]
    with pytest.raises(UserError, match=r"The train split of hf:someone/words has no column"):
        load_own_texts("hf:someone/words", tmp_path, 0.0, ReadOptions())


def test_two_splits_of_one_meaning_are_refused(hub, tmp_path):
    hub["someone/paint", None] = {name: pictures(24) for name in ("train", "dev", "validation")}
    with pytest.raises(UserError, match="has several splits for validation: train, dev"):
        load_own_images("hf:someone/paint", tmp_path, 0.0, ReadOptions())


def test_a_picture_beside_a_text_is_not_decoded(hub, tmp_path, monkeypatch):
    """For some formats Pillow would start other programs."""
    images = pictures(24).cast_column("img", datasets.Image(decode=False))
    rows = {"text": [f"text {n}" for n in range(24)], "img": images["img"][:]}
    rows["label"] = images["label"][:]
    features = {"text": datasets.Value("string"), **pictures(3).features}
    examples = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    hub["someone/words", None] = {"train": examples}
    monkeypatch.setattr(Image, "open", None)
    load_own_texts("hf:someone/words", tmp_path, 0.0, ReadOptions())


def test_files_outside_the_cache_of_the_library_are_not_read(hub, tmp_path):
    Image.new("RGB", (30, 30)).save(tmp_path / "private.png")
    rows = {"img": [{"bytes": None, "path": str(tmp_path / "private.png")}] * 4}
    features = datasets.Features(pictures(3).features)
    rows["label"] = [0, 1] * 2
    examples = datasets.Dataset.from_dict(rows, features=features)
    hub["someone/paint", None] = {"train": examples}
    with pytest.raises(UserError, match=r"private\.png, which is not a file of the data set"):
        load_own_images("hf:someone/paint", tmp_path, 0.0, ReadOptions())


def test_what_cannot_be_loaded_is_one_line(hub, tmp_path):
    with pytest.raises(UserError, match=r"^hf:no/thing cannot be loaded: no no/thing on the hub"):
        load_own_texts("hf:no/thing", tmp_path, 0.0, ReadOptions())


@pytest.mark.parametrize("name", ["nothing", "../up", "a/b/c", "/etc/passwd", "a/..", "a/../../b"])
def test_a_name_is_no_path(hub, tmp_path, name):
    with pytest.raises(UsageError, match="must look like hf:OWNER/NAME"):
        load_own_texts(f"hf:{name}", tmp_path, 0.0, ReadOptions())


def test_a_folder_is_not_read_in_its_place(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "paint").mkdir(parents=True)
    with pytest.raises(UsageError, match="there is a folder someone/paint here"):
        load_own_images("hf:someone/paint", tmp_path, 0.0, ReadOptions())


def test_a_library_that_runs_loading_scripts_is_refused(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    with pytest.raises(UsageError, match=r"datasets 3\.6\.0 may run programs"):
        load_own_images("hf:someone/paint", tmp_path, 0.25, ReadOptions())
