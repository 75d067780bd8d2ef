"""The IDX file format of the MNIST family."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from jaxdl.errors import UserError

UNSIGNED_BYTE = 8


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Reads a gzipped IDX file of unsigned bytes.

    The format, from the MNIST page of LeCun, Cortes and Burges: two zero bytes, a code for the
    element type, the number of dimensions, each size as a big-endian 32-bit integer, the data.

    Args:
      path: the gzipped file.
      dimensions: how many it must have (3 for images, 1 for labels).

    Returns:
      uint8 array with that many dimensions.

    Raises:
      UserError: the file is not such an archive, or is cut short.
    """
    try:
        with gzip.open(path) as stream:
            content = stream.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, f"it cannot be unpacked: {error}") from error
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, UNSIGNED_BYTE, dimensions)) or len(content) < header:
        raise _damaged(path, f"it is no IDX file of {dimensions}-dimensional unsigned bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:header], ">u4"))
    if len(content) - header != math.prod(shape):
        raise _damaged(path, f"it holds {len(content) - header} bytes and announces {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is damaged ({reason}). Delete it, so that it is fetched anew.")
