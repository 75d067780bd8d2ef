"""Turns a user's own picture into an image like those of a data set."""

import contextlib
import errno
import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from jaxdl.data.catalog import CATALOG
from jaxdl.errors import BrokenFileError, UserError

warnings.filterwarnings("ignore", module=r"PIL\.")  # about files that are odd but can be decoded

FORMATS = ("PNG", "JPEG", "WebP", "GIF", "BMP", "TIFF")
"""What Pillow may decode; for some other formats, such as PostScript, it starts programs."""
MOST_PIXELS = 8192 * 8192
INK_THRESHOLD = 0.2
LARGEST_SIDE = 1024
MNIST_SIZE = 28
AVERAGED_AS_THEY_ARE = ("RGB", "RGBA", "L", "LA", "CMYK")
"""Modes whose pixels can be averaged; others have entries of a palette, bits, or wide numbers."""
BROKEN = (errno.ENOTDIR, errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP)
"""Errors of the operating system that are the fault of one file, which can be left out."""


def read_picture(path: Path, dataset: str) -> np.ndarray:
    """Reads an image file as an example of a data set.

    Args:
      path: a file in one of `FORMATS`, of any mode and up to `MOST_PIXELS`.
      dataset: name of the data set whose images it should look like.

    Returns:
      uint8 (height, width, channels), the image shape of the data set.

    Raises:
      UserError: the file is missing or is not an image; or it is blank, but should show a digit
        or a garment.
    """
    entry = CATALOG[dataset]
    if entry.subject == "photograph":
        return read_photograph(path, entry.image_shape[0])
    ink = to_light_on_dark(to_grey(open_picture(path)))
    if not (ink > INK_THRESHOLD).any():
        raise UserError(f"{path} is blank: nothing in it differs from its background.")
    return to_digit(ink) if entry.subject == "digit" else to_garment(ink)


def read_photograph(
    path: Path | bytes,
    side: int,
    shown: float = 1.0,
    resampling: Image.Resampling = Image.Resampling.BOX,
) -> np.ndarray:
    """Reads the central square of an image file; transparent parts become white.

    Args:
      path: a file in one of `FORMATS`, of any mode and up to `MOST_PIXELS`, or its content.
      side: side of the result in pixels.
      shown: side of the square, relative to that of the largest one.
      resampling: how pixels are averaged.

    Returns:
      uint8 (side, side, 3).

    Raises:
      UserError: the file is missing or is not an image.
    """
    picture = on_white(open_picture(path))
    cut_off = (1 - shown) / 2 * min(picture.size)  # at each border of the largest square
    square = ImageOps.crop(ImageOps.fit(picture, (min(picture.size),) * 2), round(cut_off))
    return np.asarray(square.resize((side, side), resampling))


def on_white(picture: Image.Image) -> Image.Image:
    """Converts a picture of any mode to RGB; transparent parts become white."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(np.round(255 * to_grey(picture)).astype(np.uint8))
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def open_picture(path: Path | bytes) -> Image.Image:
    """Opens an image file, or its content, upright and with no side longer than `LARGEST_SIDE`.

    Raises:
      UserError: the file is missing or is not an image.
    """
    with decoding(path) as file:
        file.draft("RGB", (LARGEST_SIDE, LARGEST_SIDE))  # decodes a JPEG at a reduced size
        if file.mode == "F" and not np.isfinite(np.asarray(file)).all():
            raise ValueError("a pixel is not a number")
        picture = file
        if file.mode not in AVERAGED_AS_THEY_ARE:
            picture = ImageOps.exif_transpose(file)
            is_wide = picture.mode.startswith(("I", "F"))
            picture = Image.fromarray(to_grey(picture)) if is_wide else picture.convert("RGBA")
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        return ImageOps.exif_transpose(picture)


@contextlib.contextmanager
def decoding(path: Path | bytes, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """Opens an image file and checks its header; the pixels are to be decoded in the context.

    Args:
      path: the file, or its content.
      formats: names of the formats that are tried.

    Raises:
      BrokenFileError: the file is missing or is not a regular one, has more than `MOST_PIXELS`,
        or cannot be decoded.
      UserError: the operating system cannot read it.
    """
    if isinstance(path, Path):
        require_regular(path)
    name = path if isinstance(path, Path) else "the picture"
    try:
        file = path.open("rb") if isinstance(path, Path) else io.BytesIO(path)
        with file, Image.open(_checked(file), formats=formats) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            yield picture
    except (UserError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise BrokenFileError(
            f"{name} has more than {MOST_PIXELS:,} pixels: make it smaller."
        ) from error
    except Exception as error:  # a damaged file can raise any error
        if isinstance(error, OSError) and error.strerror:
            raise unreadable(name, error) from error
        known = f"{', '.join(formats[:-1])} or {formats[-1]}" if formats[1:] else formats[0]
        raise BrokenFileError(f"{name} cannot be read as an image: give a {known} file.") from error


def require_regular(path: Path) -> None:
    """Refuses anything but a regular file: opening a FIFO would wait for its writer.

    Raises:
      BrokenFileError: it is not a regular file, is missing, or cannot be reached.
      UserError: the operating system cannot tell.
    """
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        raise BrokenFileError(f"There is no file {path}.") from None
    except OSError as error:
        raise unreadable(path, error) from error
    if not is_regular:
        raise BrokenFileError(f"{path} cannot be read: it is not a regular file.")


def unreadable(name: Path | str, error: OSError) -> UserError:
    """Returns the error of a file that the operating system cannot read; see `BROKEN`."""
    kind = BrokenFileError if error.errno in BROKEN else UserError
    return kind(f"{name} cannot be read: {error.strerror}.")


def _checked(file: BinaryIO) -> BinaryIO:
    """Refuses a WebP file of too many pixels; Pillow would allocate memory on opening it."""
    if _pixels_of_webp(file.read(30)) > MOST_PIXELS:
        raise Image.DecompressionBombError
    file.seek(0)
    return file


def _pixels_of_webp(header: bytes) -> int:
    """Returns the number of pixels of a WebP file from its first 30 bytes; 0 for other files.

    The three layouts of the header are those of the WebP container specification.
    """
    if len(header) < 30 or header[8:12] != b"WEBP":
        return 0
    kind, bits = header[12:16], int.from_bytes(header[21:25], "little")
    width, height = (int.from_bytes(header[start : start + 3], "little") for start in (24, 27))
    if kind == b"VP8X":
        return (width + 1) * (height + 1)
    if kind == b"VP8L":
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    width, height = (int.from_bytes(header[start : start + 2], "little") for start in (26, 28))
    return (width & 0x3FFF) * (height & 0x3FFF)


def to_grey(picture: Image.Image) -> np.ndarray:
    """Returns grey levels, float32 (height, width) in [0, 1].

    Levels of 16 bits or more are relative to the lightest one, unless that is at most 1.
    Transparent parts become background: black under light strokes, and white under dark ones.
    """
    if picture.mode.startswith(("I", "F")):  # 16 bits or more, which Pillow would clip at 255
        levels = np.clip(np.asarray(picture, np.float32), 0, None)
        return levels / max(levels.max(), 1.0)
    grey, alpha = picture.convert("RGBA").convert("LA").split()
    grey, alpha = (np.asarray(band, np.float32) / 255 for band in (grey, alpha))
    stroke_level = (grey * alpha).sum() / max(alpha.sum(), 1e-6)
    background = 0.0 if stroke_level > 0.5 else 1.0
    return grey * alpha + background * (1 - alpha)


def to_light_on_dark(grey: np.ndarray) -> np.ndarray:
    """Returns light strokes on a background of 0, with the contrast stretched to [0, 1].

    The background is the median grey level along the border of the picture. Where the contrast
    is too small, the result is 0 everywhere.
    """
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    contrast = ink.max()
    return ink / contrast if contrast > 0.1 else np.zeros_like(ink)


def to_digit(ink: np.ndarray) -> np.ndarray:
    """Fits a digit into 20 x 20 pixels and puts its centre of mass in the middle of the image.

    This is how the images of MNIST were made (LeCun et al. 1998, "Gradient-Based Learning
    Applied to Document Recognition", section III.A).

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
    """Makes a garment as large as fits and centres it, as in Fashion-MNIST; see `to_digit`."""
    garment = shrink_to_fit(crop_to_ink(ink), MNIST_SIZE)
    height, width = garment.shape
    return place(garment, (MNIST_SIZE - height) // 2, (MNIST_SIZE - width) // 2)


def crop_to_ink(ink: np.ndarray) -> np.ndarray:
    """Returns the smallest rectangle of ``ink`` (height, width) that has all the strokes."""
    rows = np.flatnonzero((ink > INK_THRESHOLD).any(1))
    columns = np.flatnonzero((ink > INK_THRESHOLD).any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def shrink_to_fit(ink: np.ndarray, size: int) -> np.ndarray:
    """Scales the ink in proportion to a longer side of ``size`` pixels, and its maximum to 1."""
    scale = size / max(ink.shape)
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    resized = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(resized)
    return pixels / max(pixels.max(), 1e-6)


def place(ink: np.ndarray, top: int, left: int) -> np.ndarray:
    """Puts ink on a black 28 x 28 image; it is moved inwards where it would stick out."""
    height, width = ink.shape
    top = int(np.clip(top, 0, MNIST_SIZE - height))
    left = int(np.clip(left, 0, MNIST_SIZE - width))
    image = np.zeros((MNIST_SIZE, MNIST_SIZE, 1), np.uint8)
    image[top : top + height, left : left + width, 0] = np.round(ink * 255)
    return image
