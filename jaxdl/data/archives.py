"""Gzipped tar archives, read without trusting their headers.

Nothing is unpacked onto the disk, links are not followed, and the memory used is bounded.
"""

import gzip
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

CHUNK_BYTES = 1 << 16
MOST_MEMBERS = 200_000


class _InChunks(gzip.GzipFile):
    """An unpacked stream that refuses to read more than a chunk at once.

    tarfile reads a header in one piece, however long the archive says that it is.
    """

    def read(self, size: int | None = -1) -> bytes:
        """Reads at most ``size`` bytes.

        Raises:
          tarfile.ReadError: ``size`` is more than a chunk, or unlimited.
        """
        if size is None or not 0 <= size <= CHUNK_BYTES:
            raise tarfile.ReadError("a header is too long")
        return super().read(size)


def regular_files(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yields the name, the size and the stream of each regular file in an archive, in order.

    A stream ends after that number of bytes; read it by `chunks`.

    Raises:
      Exception: of any kind, if the archive is damaged or has more than `MOST_MEMBERS` members.
    """
    with _InChunks(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as archive:
        for number, member in enumerate(archive):
            if number == MOST_MEMBERS:
                raise tarfile.ReadError(f"it has more than {MOST_MEMBERS:,} members")
            if member.isreg():
                yield member.name, member.size, archive.extractfile(member)


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yields the rest of a stream in chunks."""
    return iter(partial(stream.read, CHUNK_BYTES), b"")
