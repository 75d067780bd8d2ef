"""The IDX file format of the MNIST family."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from jaxdl.data.sources import damaged

UNSIGNED_BYTE = 8
MOST_BYTES = 1 << 28


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Reads a gzipped IDX file of unsigned bytes.

    The format is described on the MNIST page of LeCun, Cortes and Burges: two zero bytes, a code
    for the element type, the number of dimensions, each size as a big-endian 32-bit integer, the
    data.

    Args:
      path: the gzipped file.
      dimensions: number of dimensions that it must have: 3 for images, 1 for labels.

    Returns:
      uint8 array with that number of dimensions.

    Raises:
      UserError: the file is not of this format, is truncated, or has more than `MOST_BYTES`.
    """
    try:
        with gzip.open(path) as stream:
            content = stream.read(MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, f"it cannot be unpacked: {error}") from error
    header = 4 + 4 * dimensions
    if len(content) > MOST_BYTES:
        raise damaged(path, f"it has more than {MOST_BYTES:,} bytes")
    if content[:4] != bytes((0, 0, UNSIGNED_BYTE, dimensions)) or len(content) < header:
        raise damaged(path, f"it is not a {dimensions}-dimensional IDX file of unsigned bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:header], ">u4"))
    if 0 in shape or len(content) - header != math.prod(shape):
        raise damaged(path, f"it has {len(content) - header} bytes of data and the shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
