"""Texts as arrays of numbers: their concatenated UTF-8 bytes, and where each text ends."""

import numpy as np

BYTES, ENDS = "-bytes", "-ends"


def pack(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replaces texts by numbers, which can be written to disk without pickle.

    Args:
      features: arrays of numbers, and object arrays (examples,) of str.

    Returns:
      The arrays of numbers as they are; for an array NAME of texts, ``NAME-bytes``, uint8 (bytes,),
      and ``NAME-ends``, int64 (examples,).
    """
    packed = {}
    for name, array in features.items():
        if array.dtype != object:
            packed[name] = array
            continue
        encoded = [text.encode() for text in array]
        packed[name + BYTES] = np.frombuffer(b"".join(encoded), np.uint8)
        packed[name + ENDS] = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return packed


def unpack(packed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Undoes `pack`.

    Raises:
      KeyError: there are bytes without ends.
      UnicodeDecodeError: the bytes are not UTF-8.
    """
    features = {}
    for name, array in packed.items():
        if name.endswith(BYTES):
            feature = name.removesuffix(BYTES)
            features[feature] = _split(array.tobytes(), packed[feature + ENDS])
        elif not name.endswith(ENDS):
            features[name] = array
    return features


def _split(content: bytes, ends: np.ndarray) -> np.ndarray:
    texts = np.empty(len(ends), object)
    start = 0
    for index, end in enumerate(ends.tolist()):
        texts[index] = content[start:end].decode()
        start = end
    return texts
