"""A user's own picture, brought into the form of a data set's images."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxdl.errors import UserError

INK_THRESHOLD = 0.2
LARGEST_SIDE = 1024
MNIST_SIZE = 28
CIFAR_SIZE = 32
PHOTOGRAPHS = ("cifar10", "cifar100")


def read_picture(path: Path, dataset: str) -> np.ndarray:
    """Reads an image file as an example of a data set.

    Args:
      path: of a file in any format that Pillow reads, of any size and mode.
      dataset: the data set that it should look like.

    Returns:
      uint8 (height, width, channels), as the images of the data set.

    Raises:
      UserError: the file is missing, no image, or, where strokes are looked for, blank.
    """
    if dataset in PHOTOGRAPHS:
        return read_photograph(path, CIFAR_SIZE)
    ink = to_light_on_dark(to_grey(open_picture(path)))
    if not (ink > INK_THRESHOLD).any():
        raise UserError(f"{path} is blank: nothing in it differs from its background.")
    return CONVERTERS[dataset](ink)


def read_photograph(
    path: Path,
    side: int,
    shown: float = 1.0,
    resampling: Image.Resampling = Image.Resampling.BOX,
) -> np.ndarray:
    """Reads the square in the middle of an image file; what is transparent becomes white.

    Args:
      path: of a file in any format that Pillow reads, of any size and mode.
      side: of the result, in pixels.
      shown: share of the largest square that is kept, by its side.
      resampling: how pixels are averaged.

    Returns:
      uint8 (side, side, 3).

    Raises:
      UserError: the file is missing, or no image.
    """
    picture = open_picture(path)
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(np.round(255 * to_grey(picture)).astype(np.uint8))
    picture = picture.convert("RGBA")
    picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    cut_off = (1 - shown) / 2 * min(picture.size)  # at each border, and more where it is oblong
    square = ImageOps.crop(ImageOps.fit(picture, (min(picture.size),) * 2), round(cut_off))
    return np.asarray(square.convert("RGB").resize((side, side), resampling))


def open_picture(path: Path) -> Image.Image:
    """An image file as its camera meant it to be seen, no side longer than `LARGEST_SIDE`.

    Raises:
      UserError: the file is missing, or no image.
    """
    try:
        with warnings.catch_warnings(), Image.open(path) as file:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))  # lets a JPEG be decoded small
            picture = ImageOps.exif_transpose(file)
            picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
            return picture
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has too many pixels: make it smaller.") from error
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as an image: give a PNG or JPEG file.") from error


def to_grey(picture: Image.Image) -> np.ndarray:
    """Grey levels, float32 in [0, 1], (height, width); transparency becomes background.

    The background is black under light strokes and white under dark ones.
    """
    if picture.mode.startswith(("I", "F")):  # of 16 bits or more: Pillow would cut them at 255
        levels = np.asarray(picture, np.float32)
        return levels / max(levels.max(), 1.0)
    grey, alpha = picture.convert("RGBA").convert("LA").split()
    grey, alpha = (np.asarray(band, np.float32) / 255 for band in (grey, alpha))
    stroke_level = (grey * alpha).sum() / max(alpha.sum(), 1e-6)
    background = 0.0 if stroke_level > 0.5 else 1.0
    return grey * alpha + background * (1 - alpha)


def to_light_on_dark(grey: np.ndarray) -> np.ndarray:
    """Strokes in light on a background of 0, contrast stretched to [0, 1].

    The background is the median grey of the border of the picture.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    contrast = ink.max()
    return ink / contrast if contrast > 0.1 else np.zeros_like(ink)


def to_digit(ink: np.ndarray) -> np.ndarray:
    """A digit as MNIST has them: in a box of 20 pixels, its centre of mass in the middle.

    The recipe of LeCun et al. 1998, "Gradient-Based Learning", section III.A.

    Args:
      ink: float (height, width) in [0, 1].

    Returns:
      uint8 (28, 28, 1).
    """
    digit = shrink_to_fit(crop_to_ink(ink), 20)
    total = digit.sum()
    centre_row = (digit.sum(1) * np.arange(digit.shape[0])).sum() / total
    centre_column = (digit.sum(0) * np.arange(digit.shape[1])).sum() / total
    middle = MNIST_SIZE / 2
    return place(digit, round(middle - centre_row), round(middle - centre_column))


def to_garment(ink: np.ndarray) -> np.ndarray:
    """A garment as Fashion-MNIST has them: as large as fits, in the middle; as `to_digit`."""
    garment = shrink_to_fit(crop_to_ink(ink), MNIST_SIZE)
    height, width = garment.shape
    return place(garment, (MNIST_SIZE - height) // 2, (MNIST_SIZE - width) // 2)


def crop_to_ink(ink: np.ndarray) -> np.ndarray:
    """The smallest rectangle that holds all ink; both (height, width)."""
    rows = np.flatnonzero((ink > INK_THRESHOLD).any(1))
    columns = np.flatnonzero((ink > INK_THRESHOLD).any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def shrink_to_fit(ink: np.ndarray, size: int) -> np.ndarray:
    """Resized, its proportions kept, so that the longer side has ``size`` pixels."""
    scale = size / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    resized = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(resized)
    return pixels / max(pixels.max(), 1e-6)


def place(ink: np.ndarray, top: int, left: int) -> np.ndarray:
    """Puts the ink on an empty image of 28x28, moved inside where it would stick out."""
    height, width = ink.shape
    top = int(np.clip(top, 0, MNIST_SIZE - height))
    left = int(np.clip(left, 0, MNIST_SIZE - width))
    image = np.zeros((MNIST_SIZE, MNIST_SIZE, 1), np.uint8)
    image[top : top + height, left : left + width, 0] = np.round(ink * 255)
    return image


CONVERTERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mnist": to_digit,
    "fashion_mnist": to_garment,
}
