"""Images that stay in their files until an array of them is indexed."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxdl.data.crops import DRAWS, decoder, read_random_crop
from jaxdl.data.own.listing import Content
from jaxdl.data.own.reading import naming, picture_file, read_square
from jaxdl.data.own.threads import in_threads
from jaxdl.randomness import Purpose, draw_for_rows

ALIGNMENT = 64
"""Alignment in bytes of the arrays of JAX on CPU."""


@dataclasses.dataclass(frozen=True, eq=False)
class LazyImages:
    """Looks like an array of images, uint8 (examples, side, side, 3), that is not in memory.

    Indexing it with a slice or an integer array reads those images, in threads, into an array.

    Attributes:
      contents: what these and other images are read from.
      numbers: int (examples,), positions of these images in ``contents``.
      side: side of the images in pixels.
      checksum: identifies the images without reading them.
      shown: side of the central square that is read, relative to the largest one of a picture.
      smallest_crop: smallest share of a picture's area in the random crops of `for_training`; 0
        reads the central square there, too.
      seed: seed of the random crops.
    """

    contents: Sequence[Content]
    numbers: np.ndarray
    side: int
    checksum: str
    shown: float = 1.0
    smallest_crop: float = 0.0
    seed: int = 0

    dtype = np.dtype(np.uint8)

    def first(self, count: int) -> "LazyImages":
        """Returns the first ``count`` images, without reading them and without random crops."""
        checksum = f"first {count} of {self.checksum}"
        return dataclasses.replace(
            self, numbers=self.numbers[:count], checksum=checksum, smallest_crop=0.0
        )

    def with_random_crops(self, smallest_crop: float, seed: int) -> "LazyImages":
        """Returns the same images, of which `for_training` reads random crops."""
        checksum = f"{self.checksum}, cropped by {decoder()}"
        return dataclasses.replace(self, checksum=checksum, smallest_crop=smallest_crop, seed=seed)

    def of_the_middle(self, shown: float) -> "LazyImages":
        """Returns the same images without their borders; see ``shown``."""
        return dataclasses.replace(self, checksum=f"{shown} of {self.checksum}", shown=shown)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array of all images."""
        return (len(self), self.side, self.side, 3)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        return self._read_all(
            lambda file, _: read_square(file, self.side, self.shown), self.numbers[which]
        )

    def for_training(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """Reads images for training; random crops depend on the number of the epoch."""
        if not self.smallest_crop:
            return self[rows]

        draws = draw_for_rows(Purpose.CROP, self.seed, epoch, rows, DRAWS)

        def read(file: Path | bytes, place: int) -> np.ndarray:
            return read_random_crop(file, self.side, draws[place], self.smallest_crop)

        return self._read_all(read, self.numbers[rows])

    def _read_all(
        self, read: Callable[[Path | bytes, int], np.ndarray], numbers: np.ndarray
    ) -> np.ndarray:
        images = aligned((len(numbers), *self.shape[1:]), self.dtype)

        def read_one(place: int) -> None:
            with naming(self.contents[numbers[place]]) as content:
                images[place] = read(picture_file(content), place)

        in_threads(read_one, range(len(numbers)))
        return images


def aligned(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Returns an uninitialised array at an address from which JAX takes it without a copy."""
    buffer = np.empty(math.prod(shape) * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    return buffer[start : buffer.size - ALIGNMENT + start].view(dtype).reshape(shape)
