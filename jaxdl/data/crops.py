"""Random crops of picture files, decoded and resized as fast as the machine can.

With the extra ``pictures``, libjpeg-turbo (simplejpeg) decodes JPEGs and OpenCV resizes them, in
less than half of the time that Pillow takes. Both read the same rectangles; their pixels differ
slightly.
"""

import contextlib
import functools
import math
import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxdl.data.pictures import AVERAGED_AS_THEY_ARE, MOST_PIXELS, decoding, on_white

Image.core.set_blocks_max(8)  # freed memory that Pillow keeps for the next picture

WIDEST = 4 / 3
"""Largest ratio of width to height of a rectangle, and of height to width."""
TRIES = 10
"""Number of random rectangles to try; if none fits into the picture, its central square is read."""
DRAWS = 4 * TRIES
REDUCTIONS = (8, 4, 2)
"""Factors by which a JPEG can be reduced while it is decoded."""
MOST_BYTES = 2**26
"""Size in bytes up to which a file is read at once; larger ones are left to Pillow."""
START_OF_PIXELS = b"\xff\xda"
"""The marker that ends the header of a JPEG."""
ORIENTATION = 0x0112
"""Number of the EXIF tag for the orientation of a picture."""
TURNS = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[:, ::-1],
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: image.transpose(1, 0, 2)[::-1],
}
"""Orientation of a picture in EXIF -> function that turns it upright."""


class Rectangle(NamedTuple):
    """Part of a picture, in pixels from its upper left corner."""

    left: int
    top: int
    width: int
    height: int


def read_random_crop(
    path: Path | bytes, side: int, draws: np.ndarray, smallest_share: float
) -> np.ndarray:
    """Reads a random rectangle of an image file, resized to a square and turned upright.

    Its share of the picture's area is uniform in [smallest_share, 1], and the logarithm of its
    aspect ratio is uniform between those of 3:4 and 4:3 (Szegedy et al. 2014, "Going Deeper with
    Convolutions", section 6).

    Args:
      path: a file in one of `jaxdl.data.pictures.FORMATS`, of any mode and up to
        `jaxdl.data.pictures.MOST_PIXELS`, or its content.
      side: side of the result in pixels.
      draws: float (DRAWS,), uniform in [0, 1), that choose the rectangle.
      smallest_share: smallest share of the picture's area that the rectangle may have.

    Returns:
      uint8 (side, side, 3).

    Raises:
      UserError: the file is missing or is not an image.
    """
    content = _content(path) if _libraries() else b""
    size = size_of_plain_jpeg(content) if content else None
    if size:
        square = cut_out_by_opencv(content, _random_rectangle(size, draws, smallest_share), side)
        if square is not None:
            return square
    with decoding(path) as file:
        if file.format not in ("JPEG", "MPO"):
            file.load()  # turns a TIFF upright, and removes its orientation tag
        rectangle = _random_rectangle(file.size, draws, smallest_share)
        turn = TURNS.get(file.getexif().get(ORIENTATION))
        square = cut_out_by_pillow(file, rectangle, side)
        return square if turn is None else turn(square)


def cut_out_by_pillow(file: Image.Image, rectangle: Rectangle, side: int) -> np.ndarray:
    """Decodes and resizes by Pillow; each pixel of the result averages those that it covers."""
    whole = file.size
    reduction = _reduction(rectangle, side)
    file.draft("RGB", (whole[0] // reduction, whole[1] // reduction))
    across, down = file.size[0] / whole[0], file.size[1] / whole[1]
    left, top, width, height = rectangle
    box = (left * across, top * down, (left + width) * across, (top + height) * down)
    picture = file if file.mode in AVERAGED_AS_THEY_ARE else on_white(file)
    square = picture.resize((side, side), Image.Resampling.BILINEAR, box=box)
    is_opaque = square.mode == "RGB" and "transparency" not in file.info
    return np.asarray(square if is_opaque else on_white(square))


def size_of_plain_jpeg(content: bytes) -> tuple[int, int] | None:
    """Returns (width, height) of a colour JPEG that is surely upright; None for other content."""
    simplejpeg, _ = _libraries()
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    header = content[: content.find(START_OF_PIXELS)]
    may_be_turned = b"Exif" in header or b"tiff:Orientation" in header  # the latter in XMP
    is_plain = colours in ("YCbCr", "RGB") and height * width <= MOST_PIXELS
    return (width, height) if is_plain and not may_be_turned else None


def cut_out_by_opencv(content: bytes, rectangle: Rectangle, side: int) -> np.ndarray | None:
    """Decodes a plain JPEG by libjpeg-turbo and resizes by OpenCV; None if it is damaged.

    Each pixel is interpolated between four, as in the published recipes for TensorFlow. If that
    would skip pixels, each averages those that it covers instead, which takes seven times as long.
    """
    simplejpeg, cv2 = _libraries()
    reduction = _reduction(rectangle, side)
    height, width, _, _ = simplejpeg.decode_jpeg_header(content)
    try:
        picture = simplejpeg.decode_jpeg(
            *(content, "RGB"),
            fastdct=True,
            fastupsample=True,
            min_factor=reduction,
            min_height=-(-height // reduction),
            min_width=-(-width // reduction),
        )
    except ValueError:
        return None
    left, top, width, height = (round(pixels / reduction) for pixels in rectangle)
    part = picture[top : top + max(height, 1), left : left + max(width, 1)]
    skips_pixels = min(part.shape[:2]) >= 2 * side
    kind = cv2.INTER_AREA if skips_pixels else cv2.INTER_LINEAR
    return cv2.resize(part, (side, side), interpolation=kind)


def decoder() -> str:
    """Names the libraries that decode and resize JPEGs, on which the exact pixels depend."""
    return "libjpeg-turbo and OpenCV" if _libraries() else "Pillow"


def _content(path: Path | bytes) -> bytes:
    """Returns the content of a file; b"" for a file that Pillow should read, or refuse."""
    if isinstance(path, bytes):
        return path
    with contextlib.suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= MOST_BYTES:
            with path.open("rb", buffering=0) as file:
                return file.read(status.st_size)
    return b""


@functools.cache
def _libraries() -> tuple[Any, Any] | None:
    """Returns simplejpeg and OpenCV, which compute in the calling thread; None if absent."""
    try:
        import cv2
        import simplejpeg
    except ImportError:
        return None
    cv2.setNumThreads(1)  # pictures are read in threads already
    return simplejpeg, cv2


def _reduction(rectangle: Rectangle, side: int) -> int:
    """Returns the largest reduction that leaves each side of a rectangle at least ``side`` long."""
    shortest = min(rectangle.width, rectangle.height)
    return next((factor for factor in REDUCTIONS if shortest >= factor * side), 1)


def _random_rectangle(size: tuple[int, int], draws: np.ndarray, smallest_share: float) -> Rectangle:
    """Chooses the rectangle of `read_random_crop`; ``size`` is (width, height) of the picture."""
    whole_width, whole_height = size
    for share, ratio, across, down in draws.reshape(TRIES, 4).tolist():
        area = (smallest_share + (1 - smallest_share) * share) * whole_width * whole_height
        ratio = WIDEST ** (2 * ratio - 1)
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= whole_width and 0 < height <= whole_height:
            left = int(across * (whole_width - width + 1))
            return Rectangle(left, int(down * (whole_height - height + 1)), width, height)
    square = min(size)
    return Rectangle((whole_width - square) // 2, (whole_height - square) // 2, square, square)
