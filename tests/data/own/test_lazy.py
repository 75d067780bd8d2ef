import numpy as np
import pytest
from small_own import write_pictures

from jaxdl.data import crops
from jaxdl.data.own.lazy import LazyImages
from jaxdl.data.own.loading import ReadOptions, load_own_images
from jaxdl.data.own.reading import read_square


@pytest.fixture
def both(tmp_path):
    """The same pictures in memory and in their files."""
    folder = str(write_pictures(tmp_path / "paint"))
    where = (folder, tmp_path / "data", 0.25)
    return [
        load_own_images(*where, ReadOptions(side=16, stream=stream)) for stream in (False, True)
    ]


def test_images_are_the_same_in_memory_and_from_their_files(both):
    in_memory, streamed = both
    for split in ("train", "validation", "test"):
        arrays, files = getattr(in_memory, split), getattr(streamed, split)
        assert isinstance(files["image"], LazyImages)
        assert files["image"].shape == arrays["image"].shape
        np.testing.assert_array_equal(files["image"][:], arrays["image"])
        np.testing.assert_array_equal(files["image"][np.array([2, 0])], arrays["image"][[2, 0]])
        np.testing.assert_array_equal(files["label"], arrays["label"])


def test_the_checksums_are_the_same_in_memory_and_from_files(both):
    in_memory, streamed = both
    assert in_memory.checksums == streamed.checksums
    assert in_memory.checksums["train"] != in_memory.checksums["test"]


def test_images_that_would_fill_the_memory_are_streamed(tmp_path, capsys):
    folder = str(write_pictures(tmp_path / "paint"))
    where = (folder, tmp_path / "data", 0.25)
    size = 36 * 16 * 16 * 3
    images = load_own_images(*where, ReadOptions(side=16), most_bytes=size - 1).train["image"]
    assert isinstance(images, LazyImages)
    assert "is streamed from its files" in capsys.readouterr().err
    images = load_own_images(*where, ReadOptions(side=16), most_bytes=size).train["image"]
    assert isinstance(images, np.ndarray)


def test_crops_depend_on_seed_epoch_and_image_only(both):
    images = both[1].train["image"].with_random_crops(0.1, seed=3)
    rows = np.array([4, 1, 7])
    first = images.for_training(rows, epoch=2)
    np.testing.assert_array_equal(images.for_training(rows[::-1], epoch=2)[::-1], first)
    assert (images.for_training(rows, epoch=3) != first).any()
    other = both[1].train["image"].with_random_crops(0.1, seed=4)
    assert (other.for_training(rows, epoch=2) != first).any()
    np.testing.assert_array_equal(images[rows], both[1].train["image"][rows])


def test_the_checksum_names_what_decodes_crops_and_what_is_shown(both, monkeypatch):
    images = both[1].train["image"]
    monkeypatch.setattr(crops, "_libraries", lambda: None)
    by_pillow = images.with_random_crops(0.1, seed=3).checksum
    assert by_pillow == f"{images.checksum}, cropped by Pillow"
    assert images.of_the_middle(0.5).checksum != images.checksum


def test_the_middle_of_images_is_their_central_square(both):
    images = both[1].train["image"]
    file = images.contents[images.numbers[2]]
    middle = images.of_the_middle(0.5)[np.array([2])]
    np.testing.assert_array_equal(middle[0], read_square(file, 16, 0.5))
    assert (middle != images[np.array([2])]).any()
