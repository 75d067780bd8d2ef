"""Small archives in the format of MNIST, for tests. As a script, it loads such a data set.

python small_mnist.py ARCHIVES DATA_DIR [--killed-after N]
"""

import gzip
import hashlib
import os
import signal
import struct
import sys
from pathlib import Path

import numpy as np

from jaxdl.data import load, mnist
from jaxdl.data.sources import File
from jaxdl.data.website import Website

CLOSED_PORT = "http://127.0.0.1:9/"
TRAIN_EXAMPLES, TEST_EXAMPLES = 30, 10


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def write_archives(folder: Path) -> tuple[File, ...]:
    folder.mkdir()
    random = np.random.default_rng(0)
    for prefix, count in (("train", TRAIN_EXAMPLES), ("t10k", TEST_EXAMPLES)):
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        labels = images[:, 0, 0] % 10
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    return describe(folder)


def describe(folder: Path) -> tuple[File, ...]:
    return tuple(
        File(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.glob("*.gz"))
    )


def kill_after(examples: int) -> None:
    encode, done = mnist.png, 0

    def encode_or_die(image: np.ndarray) -> bytes:
        nonlocal done
        done += 1
        if done > examples:
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(image)

    mnist.png = encode_or_die


if __name__ == "__main__":
    mnist.Mnist.SOURCES = (Website(CLOSED_PORT, describe(Path(sys.argv[1]))),)
    if "--killed-after" in sys.argv:
        kill_after(int(sys.argv[-1]))
    dataset = load("mnist", Path(sys.argv[2]))
    print("loaded", len(dataset.train["image"]), len(dataset.test["image"]))
    print("modules", *sorted({"tensorflow", "tensorflow_datasets"} & set(sys.modules)))
