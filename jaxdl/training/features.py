"""What a frozen network makes of a data set, computed once and kept."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import numpy as np

from jaxdl.data import arrays
from jaxdl.data.client import empty_folder

FEATURES = "features"


def cached_features(
    name: str,
    data_dir: Path,
    inputs: dict[str, np.ndarray],
    compute: Callable[[], np.ndarray],
    *depends_on: object,
) -> np.ndarray:
    """The features of some examples, from the cache if they have been computed before.

    Args:
      name: of the folder; a digest of ``inputs`` and ``depends_on`` is appended.
      data_dir: where they are kept, in ``features/``.
      inputs: arrays (examples, ...), which the features are made of.
      compute: makes them, float32 (examples, size).
      depends_on: all else that they depend on, such as the model and its precision.

    Returns:
      float32 (examples, size).
    """
    key = _digest(inputs, depends_on)
    folder = data_dir.expanduser() / FEATURES / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{folder.name}.lock")):
        cached = arrays.read(folder, key)
        if cached is None:
            made = arrays.Decoded({"all": {FEATURES: compute()}}, ())
            with empty_folder(folder.with_name(f"{folder.name}.temporary")) as temporary:
                (temporary / FEATURES).mkdir()
                arrays.write(made, key, temporary / FEATURES)
                shutil.rmtree(folder, ignore_errors=True)
                (temporary / FEATURES).rename(folder)
            cached = made
    return cached.splits["all"][FEATURES]


def _digest(inputs: dict[str, np.ndarray], depends_on: tuple[object, ...]) -> str:
    digest = hashlib.sha256(repr(depends_on).encode())
    for name, array in sorted(inputs.items()):
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
