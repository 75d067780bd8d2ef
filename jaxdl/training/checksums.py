"""Checksums of arrays, by which a damaged checkpoint is recognised."""

import zlib
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def checksums(trees: dict[str, Any]) -> dict[str, str]:
    """Computes for each array its dtype, its shape and the CRC-32 of its bytes, by its path.

    They do not depend on how the arrays are sharded; an array of which this process has only a
    part is all-gathered first.
    """
    flat, _ = jax.tree_util.tree_flatten_with_path(trees)
    return {jax.tree_util.keystr(path): checksum(_whole(leaf)) for path, leaf in flat}


def _whole(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf)


def checksum(array: np.ndarray) -> str:
    """Returns the dtype, the shape and the CRC-32 of the bytes of an array of numbers."""
    array = np.ascontiguousarray(array)
    return f"{array.dtype} {array.shape} {zlib.crc32(array.view(np.uint8)):08x}"
