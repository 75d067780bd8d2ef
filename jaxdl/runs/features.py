"""Features that a frozen network computes from a data set, kept on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdl.data import arrays
from jaxdl.data.own.lazy import LazyImages
from jaxdl.files import expand_home

FEATURES = "features"


def cached_features(
    name: str,
    data_dir: Path,
    inputs: dict[str, np.ndarray],
    compute: Callable[[], np.ndarray],
    *depends_on: object,
) -> np.ndarray:
    """Returns features of examples, from the cache if they have been computed before.

    Args:
      name: name of the folder; a digest of ``inputs`` and ``depends_on`` is appended.
      data_dir: where they are kept, in ``features/``.
      inputs: arrays (examples, ...), from which the features are computed.
      compute: computes them, float32 (examples, features).
      depends_on: everything else that they depend on, such as the model and its precision.

    Returns:
      float32 (examples, features).
    """
    key = _digest(inputs, depends_on)
    folder = expand_home(data_dir) / FEATURES / f"{name}-{key}"
    cached = arrays.read_or_make(
        folder, key, lambda: arrays.Decoded({"all": {FEATURES: compute()}}, ())
    )
    return cached.splits["all"][FEATURES]


def _digest(inputs: dict[str, np.ndarray], depends_on: tuple[object, ...]) -> str:
    digest = hashlib.sha256(repr(depends_on).encode())
    for name, array in sorted(inputs.items()):
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        is_lazy = isinstance(array, LazyImages)
        digest.update(array.checksum.encode() if is_lazy else np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
