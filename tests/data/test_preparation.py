import json
import logging
import os
import re
import subprocess
import sys
import time

import filelock
import numpy as np
import pytest
import small_mnist
import tensorflow_datasets as tfds

from jaxdl.data import load, mnist, preparation, records
from jaxdl.errors import UserError


@pytest.fixture
def start(archives, data_dir):
    """Starts a process that loads the small data set from ``data_dir``."""

    def start(*options):
        command = (sys.executable, small_mnist.__file__, archives, data_dir, *options)
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def same(one, other):
    for split in ("train", "validation", "test"):
        for feature, array in getattr(one, split).items():
            np.testing.assert_array_equal(getattr(other, split)[feature], array)


def has_only_finished_folders(data_dir):
    names = {path.name for path in data_dir.iterdir()}
    return names - {"mnist.lock"} == {"downloads", "mnist"}  # some versions of filelock delete it


def test_the_data_set_has_the_examples_of_the_archives(data_dir, archives):
    dataset = load("mnist", data_dir, validation_fraction=0)
    originals = mnist.read_idx(archives / "train-images-idx3-ubyte.gz", 3)
    loaded = (image.tobytes() for image in dataset.train["image"])
    assert sorted(loaded) == sorted(image.tobytes() for image in originals)


def test_a_first_start_says_what_it_made_and_does_not_import_tensorflow(start):
    output, errors = start().communicate()
    assert re.fullmatch(r"mnist: prepared 30 \+ 10 examples in .* \(\d+\.\d s\)\n", errors)
    assert output == "loaded 24 10\nmodules tensorflow_datasets\n"


def test_preparing_leaves_the_log_level_as_it_was(data_dir):
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        load("mnist", data_dir)
        assert logger.level == logging.CRITICAL
    finally:
        logger.setLevel(level)


def test_a_second_start_imports_neither_tensorflow_nor_its_datasets(data_dir):
    load("mnist", data_dir)
    program = (
        "import sys; from jaxdl.data import load; load('mnist', sys.argv[1]);"
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'PIL', 'pip'} & set(sys.modules)))"
    )
    command = (sys.executable, "-c", program, data_dir)
    assert subprocess.run(command, capture_output=True, text=True).stdout == "[]\n"


def test_two_processes_at_once_prepare_once(start, data_dir):
    outputs = [process.communicate() for process in (start(), start())]
    errors = "".join(errors for _, errors in outputs)
    assert errors.count("mnist: prepared") == 1
    assert all(line.startswith("mnist: ") for line in errors.splitlines())
    assert all("loaded 24 10" in output for output, _ in outputs)
    assert has_only_finished_folders(data_dir)


def test_the_second_process_waits_and_says_so(start, data_dir):
    with filelock.FileLock(data_dir / "mnist.lock"):
        process = start()
        assert "mnist: waiting for another process" in process.stderr.readline()
        assert not (data_dir / "mnist").exists()
    output, _ = process.communicate()
    assert "loaded 24 10" in output


def test_a_killed_process_does_not_obstruct_the_next_one(start, data_dir):
    process = start("--killed-after", "20")
    process.communicate()
    assert process.returncode < 0
    assert not (data_dir / "mnist").exists()
    assert (data_dir / "mnist.temporary").exists()
    assert len(load("mnist", data_dir).train["image"]) == 24
    assert has_only_finished_folders(data_dir)


def test_an_interrupted_preparation_leaves_nothing_behind(data_dir, monkeypatch):
    def interrupt(image):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "png", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load("mnist", data_dir)
    assert {path.name for path in data_dir.iterdir()} <= {"downloads", "mnist.lock"}


@pytest.mark.parametrize("name", ["train-image.npy", "test-label.npy", "arrays.json"])
def test_a_damaged_cache_is_rebuilt_from_the_records(data_dir, monkeypatch, capsys, name):
    dataset = load("mnist", data_dir)
    assert "made again" not in capsys.readouterr().err
    damaged = data_dir / "mnist" / "3.0.1" / "arrays" / name
    damaged.write_bytes(damaged.read_bytes()[:-10])
    monkeypatch.delattr(records, "prepare")
    same(load("mnist", data_dir), dataset)
    assert "was damaged or out of date and has been made again" in capsys.readouterr().err
    monkeypatch.delattr(records, "decode")
    same(load("mnist", data_dir), dataset)


def test_damaged_records_are_prepared_again(data_dir, capsys):
    dataset = load("mnist", data_dir)
    folder = data_dir / "mnist" / "3.0.1"
    (damaged,) = folder.glob("*train.array_record*")
    damaged.write_bytes(damaged.read_bytes()[:1000])
    same(load("mnist", data_dir), dataset)
    assert "are damaged and are prepared again" in capsys.readouterr().err
    assert damaged.stat().st_size > 1000
    assert has_only_finished_folders(data_dir)


def test_labels_beyond_the_names_of_the_classes_are_found_when_the_data_is_loaded(data_dir, capsys):
    dataset = load("mnist", data_dir)
    (names,) = (data_dir / "mnist" / "3.0.1").glob("label.labels.txt")
    names.write_text("0\n1\n")
    same(load("mnist", data_dir), dataset)
    assert "are damaged and are prepared again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "hostile",
    [
        {"pythonClassName": "hostile.Image", "image": {"dtype": "uint8"}},
        {"type": "hostile.Image", "content": {}},
        {
            "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
            "jsonFeature": {
                "json": json.dumps({"image": {"type": "hostile.Image", "content": {}}})
            },
        },
    ],
)
def test_records_cannot_have_a_module_imported(data_dir, tmp_path, monkeypatch, capsys, hostile):
    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hostile", raising=False)
    dataset = load("mnist", data_dir)
    folder = data_dir / "mnist" / "3.0.1"
    (folder / "features.json").write_text(json.dumps(hostile))
    same(load("mnist", data_dir), dataset)
    assert "are damaged and are prepared again" in capsys.readouterr().err
    assert not (tmp_path / "imported").exists()


def test_damaged_records_stay_if_they_cannot_be_prepared_again(data_dir, empty_registry):
    load("mnist", data_dir)
    folder = data_dir / "mnist" / "3.0.1"
    (folder / "features.json").write_text("{")
    for archive in (data_dir / "downloads" / "mnist").iterdir():
        archive.unlink()
    with pytest.raises(UserError, match="could not be downloaded"):
        load("mnist", data_dir)
    assert (folder / "features.json").read_text() == "{"


def test_a_cache_of_other_records_is_not_used(data_dir, monkeypatch):
    load("mnist", data_dir)
    folder = data_dir / "mnist" / "3.0.1"
    np.save(folder / "arrays" / "train-label.npy", np.zeros(30, np.int32))
    information = folder / "dataset_info.json"
    information.write_text(information.read_text() + "\n")
    monkeypatch.delattr(records, "prepare")
    assert len(set(load("mnist", data_dir, 0).train["label"])) > 1


def test_records_prepared_with_tensorflow_datasets_are_used(data_dir, archives, monkeypatch):
    configuration = tfds.download.DownloadConfig(manual_dir=archives)
    builder = mnist.Mnist(data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare(download_config=configuration)
    monkeypatch.delattr(records, "prepare")
    assert len(load("mnist", data_dir).test["label"]) == small_mnist.TEST_EXAMPLES


def test_the_tilde_is_the_home_directory(data_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(data_dir.parent))
    assert len(load("mnist", "~/data").test["label"]) == small_mnist.TEST_EXAMPLES


def test_records_in_a_format_that_needs_tensorflow_are_named(data_dir):
    folder = data_dir / "mnist" / "3.0.1"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(json.dumps({"fileFormat": "tfrecord"}))
    with pytest.raises(
        UserError, match=r"needs TensorFlow; .* Choose another --data-dir"
    ) as failure:
        load("mnist", data_dir)
    assert "\n" not in str(failure.value)


def test_the_error_of_an_archive_that_is_damaged_at_its_source_is_one_line(data_dir, monkeypatch):
    archives = data_dir / "downloads" / "mnist"
    (archives / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    published = small_mnist.Website(small_mnist.CLOSED_PORT, small_mnist.describe(archives))
    monkeypatch.setattr(mnist.Mnist, "SOURCES", (published,))
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz is damaged"):
        load("mnist", data_dir)
    assert not (data_dir / "mnist").exists()
    assert not (data_dir / "mnist.temporary").exists()


def test_a_different_number_of_labels_and_images_is_refused(data_dir, monkeypatch):
    archives = data_dir / "downloads" / "mnist"
    (archives / "t10k-labels-idx1-ubyte.gz").write_bytes(small_mnist.idx(np.zeros(9, np.uint8)))
    published = small_mnist.Website(small_mnist.CLOSED_PORT, small_mnist.describe(archives))
    monkeypatch.setattr(mnist.Mnist, "SOURCES", (published,))
    with pytest.raises(UserError, match=r"10 images and .* 9 labels"):
        load("mnist", data_dir)


def test_the_error_of_a_data_directory_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"cannot be used .* --data-dir") as failure:
            load("mnist", data_dir)
        assert "\n" not in str(failure.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_directory_without_write_permission_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="Permission denied"):
        load("mnist", tmp_path / "locked")


def test_prepared_records_on_a_read_only_disk_are_used(data_dir, monkeypatch, capsys):
    dataset = load("mnist", data_dir)
    (data_dir / "mnist" / "3.0.1" / "arrays" / "arrays.json").unlink()
    (data_dir / "mnist.lock").unlink(missing_ok=True)
    monkeypatch.setattr(preparation, "_is_read_only", lambda data_dir: True)
    same(load("mnist", data_dir), dataset)
    assert not (data_dir / "mnist.lock").exists()
    assert "arrays cannot be written (Read-only directory)" in capsys.readouterr().err


def full(*arguments):
    raise OSError(28, "No space left on device")


def test_the_error_of_a_full_disk_says_so(data_dir, monkeypatch):
    monkeypatch.setattr(preparation.records, "prepare", full)
    with pytest.raises(UserError, match="No space left on device"):
        load("mnist", data_dir)
    assert not (data_dir / "mnist").exists()


def test_a_disk_too_full_for_the_cache_is_remarked_on(data_dir, monkeypatch, capsys):
    dataset = load("mnist", data_dir)
    cache = data_dir / "mnist" / "3.0.1" / "arrays"
    (cache / "arrays.json").unlink()
    monkeypatch.setattr(preparation.arrays, "write", full)
    same(load("mnist", data_dir), dataset)
    assert f"{cache} cannot be written (No space left on device)" in capsys.readouterr().err
    assert has_only_finished_folders(data_dir)


def test_a_warm_start_is_quick(data_dir):
    load("mnist", data_dir)
    started = time.perf_counter()
    load("mnist", data_dir)
    assert time.perf_counter() - started < 0.2
