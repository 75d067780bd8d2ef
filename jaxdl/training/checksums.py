"""Checksums of arrays, by which a damaged checkpoint is recognised."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxdl.data.arrays import checksum


def checksums(trees: dict[str, Any]) -> dict[str, str]:
    """Maps the path of each array to its dtype, its shape and the CRC-32 of its bytes.

    The checksums do not depend on how the arrays are sharded; an array of which this process has
    only a part is all-gathered first.
    """
    flat, _ = jax.tree_util.tree_flatten_with_path(trees)
    return {jax.tree_util.keystr(path): checksum(_whole(leaf)) for path, leaf in flat}


def _whole(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf)
