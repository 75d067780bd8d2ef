"""A data set that is streamed takes the same memory, however many pictures it has."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "data" / "own"))
from small_own import write_pictures

SIDE = 384
OPTIONS = (
    *("--image-size", SIDE, "--epochs", 1, "--batch-size", 16, "--patch-size", 16),
    *("--tokenizer", "patches", "--embed-dim", 16, "--num-heads", 1, "--num-layers", 1),
    *("--shift", 0, "--no-flip"),
)
MEASURED = """
import resource, runpy, sys
sys.argv[0] = "vit"
try:
    runpy.run_module("experiments.vit", run_name="__main__")
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak_of(folder, tmp_path, *options, trainings=2):
    """Trains; returns the most memory that the last process held, in bytes.

    Of two, only the first one compiles, whose memory varies.
    """
    arguments = (*OPTIONS, "--dataset", folder, "--data-dir", tmp_path, "--runs-dir", tmp_path)
    command = [sys.executable, "-c", MEASURED, *map(str, (*arguments, *options))]
    for _ in range(trainings):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.slow
def test_five_times_as_many_pictures_take_no_more_memory(tmp_path):
    few, many = (write_pictures(tmp_path / str(count), count) for count in (120, 600))
    images_more = 3 * (600 - 120) * SIDE * SIDE * 3  # of three classes, in bytes
    peaks = [peak_of(folder, tmp_path, "--stream") for folder in (few, many)]
    assert peaks[1] - peaks[0] < 0.2 * images_more
    in_memory = peak_of(many, tmp_path, trainings=1)
    assert in_memory - peaks[0] > 0.5 * images_more  # less what a stream holds ready
