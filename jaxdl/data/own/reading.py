"""Reads the examples that were found, in parallel, each with a digest of what it contains."""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from jaxdl.data.own.listing import Content, Record
from jaxdl.data.own.threads import in_threads
from jaxdl.data.pictures import read_photograph, require_regular, unreadable
from jaxdl.data.tracking import tracked
from jaxdl.errors import BrokenFileError, UserError, reason_of

FILES_AT_ONCE = 256
DIGEST_BYTES = 8
FAILURES_NAMED = 3

Remark = Callable[[str], None]
Read = Callable[[Content], tuple[Any, bytes]]


def read_pictures(
    contents: Sequence[Content], side: int, skip_broken: bool, remark: Remark
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads the central square of each picture.

    Args:
      contents: the pictures.
      side: side of the images in pixels.
      skip_broken: whether pictures that cannot be read are left out, with a remark.
      remark: called with that remark.

    Returns:
      The images, uint8 (pictures, side, side, 3); digests of the files, uint64 (pictures,), the
      same for equal files and, barring a rare collision, for no others; and whether each could be
      read, bool (pictures,).

    Raises:
      UserError: some pictures cannot be read, and are not left out.
    """
    images = np.empty((len(contents), side, side, 3), np.uint8)
    read = partial(_read_picture, side=side)
    return images, *_read_all(contents, read, images, "pictures", skip_broken, remark)


def read_texts(
    contents: Sequence[Content], skip_broken: bool, remark: Remark
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads texts in UTF-8.

    Returns:
      An object array (texts,) of str; digests, and whether each could be read: see `read_pictures`.

    Raises:
      UserError: some texts cannot be read, and are not left out.
    """
    texts = np.empty(len(contents), object)
    return texts, *_read_all(contents, _read_text, texts, "texts", skip_broken, remark)


def read_square(file: Path | bytes, side: int, shown: float = 1.0) -> np.ndarray:
    """Reads a picture of the user's own; see `jaxdl.data.pictures.read_photograph`."""
    return read_photograph(file, side, shown, Image.Resampling.BILINEAR)


def picture_file(content: Content) -> Path | bytes:
    """Returns the path of a picture file or, if it is in a record, its content.

    Raises:
      BrokenFileError: the record cannot be read, or has no picture.
    """
    if isinstance(content, Path):
        return content
    data = _read_record(content)
    if not isinstance(data, bytes):
        raise BrokenFileError("it has no picture.")
    return data


@contextlib.contextmanager
def naming(content: Content) -> Iterator[Content]:
    """Prefixes the error of a broken record with its name; errors of files name them already."""
    try:
        yield content
    except BrokenFileError as error:
        if not isinstance(content, Record):
            raise
        raise BrokenFileError(f"{content}: {error}") from error


def _read_all(
    contents: Sequence[Content],
    read: Read,
    results: np.ndarray,
    what: str,
    skip_broken: bool,
    remark: Remark,
) -> tuple[np.ndarray, np.ndarray]:
    """Fills the results; returns digests and whether each content could be read."""
    digests = np.zeros(len(contents), np.uint64)
    failures: dict[int, str] = {}

    def read_one(number: int) -> None:
        try:
            with naming(contents[number]) as content:
                results[number], digest = read(content)
            digests[number] = int.from_bytes(digest, "little")
        except BrokenFileError as error:
            failures[number] = str(error)

    for start in tracked(range(0, len(contents), FILES_AT_ONCE), f"reading the {what}"):
        in_threads(read_one, range(start, min(start + FILES_AT_ONCE, len(contents))))
    if failures:
        count = f"{len(failures):,} of {len(contents):,} {what} cannot be read"
        which = _describe({contents[number]: failures[number] for number in sorted(failures)})
        if not skip_broken:
            raise UserError(f"{count}: repair or remove them, or give --skip-broken. {which}")
        remark(f"{count} and are left out. {which}")
    return digests, np.array([number not in failures for number in range(len(contents))], bool)


def _describe(failures: dict[Content, str]) -> str:
    """Says which contents cannot be read: the reason for the first one, and the names of others."""
    names = [str(content) for content in failures if not isinstance(content, str)]
    others = ", ".join(names[1 : 1 + FAILURES_NAMED])
    more = len(failures) - 1 - FAILURES_NAMED
    first = next(iter(failures.values()))
    if not others:
        return first
    return f"{first} Others: {others}{f' and {more:,} more' if more > 0 else ''}."


def _read_picture(content: Content, side: int) -> tuple[np.ndarray, bytes]:
    file = picture_file(content)
    image = read_square(file, side)
    with file.open("rb") if isinstance(file, Path) else io.BytesIO(file) as stream:
        return image, _digest(stream)


def _read_text(content: Content) -> tuple[str, bytes]:
    text: Any = content
    name = f"The text {content[:40]!r}" if isinstance(content, str) else "it"
    name = content if isinstance(content, Path) else name
    try:
        if isinstance(content, Path):
            require_regular(content)
            text = content.read_bytes()
        elif isinstance(content, Record):
            text = _read_record(content)
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return text, _digest(io.BytesIO(text.encode()))
    except UnicodeError as error:
        raise BrokenFileError(f"{name} cannot be read: it is not UTF-8.") from error
    except AttributeError as error:
        raise BrokenFileError("it has no text.") from error
    except OSError as error:
        raise unreadable(name, error) from error


def _read_record(record: Record) -> bytes | str:
    try:
        return record.read()
    except (MemoryError, UserError):
        raise
    except Exception as error:  # tensorflow-datasets and datasets have their own errors
        raise BrokenFileError(f"it cannot be read: {reason_of(error)}.") from error


def _digest(file: BinaryIO) -> bytes:
    new = partial(hashlib.blake2b, digest_size=DIGEST_BYTES)
    return hashlib.file_digest(file, new).digest()
