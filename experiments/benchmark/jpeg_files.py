"""Makes a folder of JPEGs that are about as large, and as hard to decode, as those of ImageNet."""

from pathlib import Path

import numpy as np
from PIL import Image

from jaxdl.data import DEFAULT_DATA_DIR
from jaxdl.data.folders import making
from jaxdl.data.tracking import tracked

COUNT = 4096
WIDTH, HEIGHT = 400, 300
DETAIL = ((1.0, 16, 12), (0.3, 100, 75), (0.1, WIDTH, HEIGHT))
"""Strength, columns and rows of the random patches of which a picture is made."""


def jpeg_files(num_classes: int) -> dict[str, np.ndarray]:
    """Returns paths and labels of pictures, which are made once, in the data directory.

    Returns:
      "file", str (pictures,), FOLDER/CLASS/NUMBER.jpg, and "label", int32 (pictures,).
    """
    folder = DEFAULT_DATA_DIR / "benchmark" / f"pictures-{num_classes}"
    if not folder.exists():
        with making(folder) as temporary:
            if not folder.exists():  # another process may have made it meanwhile
                _make(temporary / "new", num_classes)
                (temporary / "new").rename(folder)
    files = sorted(folder.glob("*/*.jpg"))
    labels = np.array([int(file.parent.name) for file in files], np.int32)
    return {"file": np.array([str(file) for file in files]), "label": labels}


def _make(folder: Path, num_classes: int) -> None:
    random = np.random.default_rng(0)
    for number in tracked(range(COUNT), "making pictures"):
        path = folder / f"{number % num_classes:03}" / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = sum(share * _patches(random, *size) for share, *size in DETAIL)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=90)


def _patches(random: np.random.Generator, columns: int, rows: int) -> np.ndarray:
    """Draws a grid of colours and enlarges it smoothly; float (height, width, 3), mean 96."""
    grid = Image.fromarray(random.integers(0, 256, (rows, columns, 3), np.uint8))
    return np.asarray(grid.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), float) * 0.75
