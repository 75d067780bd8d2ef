"""Random crops of picture files, decoded and resized as fast as the machine can.

With the extra ``opencv``, OpenCV decodes JPEGs and resizes them, in about half of the time that
Pillow takes. Both read the same rectangles; their pixels differ slightly.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from jaxdl.data.pictures import decoding, on_white

Image.core.set_blocks_max(8)  # freed memory that Pillow keeps for the next picture

RESIZED_AS_THEY_ARE = ("RGB", "RGBA", "L", "LA", "CMYK")
"""Modes whose pixels can be averaged; the others take more memory."""
REDUCTIONS = (8, 4, 2)
"""Factors by which a JPEG can be reduced while it is decoded."""
ORIENTATION = 0x0112
"""Number of the EXIF tag that says how a picture lies."""
TURNS = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: image.transpose(1, 0, 2)[:, ::-1],
    7: lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda image: image.transpose(1, 0, 2)[::-1],
}
"""How a picture of each orientation is turned upright."""


class Rectangle(NamedTuple):
    """Part of a picture, in pixels from its upper left corner."""

    left: int
    top: int
    width: int
    height: int


CutOut = Callable[[Image.Image, Rectangle, int], np.ndarray]
"""Decodes a rectangle of an opened file as a square, uint8 (side, side, 3), of the side given."""


def read_random_crop(
    path: Path | bytes,
    side: int,
    random: np.random.Generator,
    smallest_share: float,
) -> np.ndarray:
    """Reads a random rectangle of an image file, resized to a square and turned upright.

    Its area is uniform in a range of shares of the picture's, and the logarithm of its ratio of
    width to height in that of 3:4 to 4:3 (Szegedy et al. 2014, "Going Deeper with Convolutions",
    section 6).

    Args:
      path: a file in one of `jaxdl.data.pictures.FORMATS`, of any mode and up to
        `jaxdl.data.pictures.MOST_PIXELS`, or what it contains.
      side: side of the result in pixels.
      random: draws the rectangle.
      smallest_share: of the picture's area.

    Returns:
      uint8 (side, side, 3).

    Raises:
      UserError: the file is missing or is not an image.
    """
    with decoding(path) as file:
        if file.format not in ("JPEG", "MPO"):
            file.load()  # which turns a TIFF upright, and removes the tag that says how it lay
        rectangle = _random_rectangle(file.size, random, smallest_share)
        turn = TURNS.get(file.getexif().get(ORIENTATION))
        square = _fastest(file)(file, rectangle, side)
        return square if turn is None else turn(square)


def cut_out_by_pillow(file: Image.Image, rectangle: Rectangle, side: int) -> np.ndarray:
    """Decodes and resizes by Pillow; each pixel averages those that it covers."""
    whole = file.size
    reduction = _reduction(rectangle, side)
    file.draft("RGB", (whole[0] // reduction, whole[1] // reduction))
    across, down = file.size[0] / whole[0], file.size[1] / whole[1]
    left, top, width, height = rectangle
    box = (left * across, top * down, (left + width) * across, (top + height) * down)
    picture = file if file.mode in RESIZED_AS_THEY_ARE else on_white(file)
    square = picture.resize((side, side), Image.Resampling.BILINEAR, box=box)
    is_opaque = square.mode == "RGB" and "transparency" not in file.info
    return np.asarray(square if is_opaque else on_white(square))


def cut_out_by_opencv(file: Image.Image, rectangle: Rectangle, side: int) -> np.ndarray:
    """Decodes a JPEG and resizes by OpenCV; by Pillow if OpenCV cannot decode it."""
    cv2 = _opencv()
    reduction = _reduction(rectangle, side)
    file.fp.seek(0)
    content = np.frombuffer(file.fp.read(), np.uint8)
    flags = cv2.IMREAD_IGNORE_ORIENTATION | getattr(
        cv2, f"IMREAD_REDUCED_COLOR_{reduction}", cv2.IMREAD_COLOR
    )
    picture = cv2.imdecode(content, flags)
    if picture is None:
        return cut_out_by_pillow(file, rectangle, side)
    left, top, width, height = (round(pixels / reduction) for pixels in rectangle)
    part = picture[top : top + max(height, 1), left : left + max(width, 1)]
    kind = cv2.INTER_AREA if min(part.shape[:2]) > side else cv2.INTER_LINEAR
    return cv2.cvtColor(cv2.resize(part, (side, side), interpolation=kind), cv2.COLOR_BGR2RGB)


def decoder() -> str:
    """Names the library that decodes JPEGs, on which the exact pixels depend."""
    return "OpenCV" if _opencv() else "Pillow"


def _fastest(file: Image.Image) -> CutOut:
    """Returns how to decode a file: OpenCV is trusted with nothing but colour JPEGs."""
    is_plain = file.format == "JPEG" and file.mode == "RGB"
    return cut_out_by_opencv if is_plain and _opencv() else cut_out_by_pillow


@functools.cache
def _opencv() -> Any:
    """Returns the module of OpenCV, which computes in the thread that calls it, or None."""
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(1)  # pictures are read in threads already
    return cv2


def _reduction(rectangle: Rectangle, side: int) -> int:
    """Returns the largest reduction that leaves each side of a rectangle at least a side long."""
    shortest = min(rectangle.width, rectangle.height)
    return next((factor for factor in REDUCTIONS if shortest >= factor * side), 1)


def _random_rectangle(
    size: tuple[int, int], random: np.random.Generator, smallest_share: float
) -> Rectangle:
    """Draws the rectangle of `read_random_crop`, in a picture of a width and height."""
    whole_width, whole_height = size
    for _ in range(10):
        area = random.uniform(smallest_share, 1.0) * whole_width * whole_height
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= whole_width and 0 < height <= whole_height:
            left = int(random.integers(whole_width - width + 1))
            return Rectangle(left, int(random.integers(whole_height - height + 1)), width, height)
    square = min(size)
    return Rectangle((whole_width - square) // 2, (whole_height - square) // 2, square, square)
