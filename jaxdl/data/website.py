"""Files from their publisher's own address."""

import dataclasses
import http.client
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

from jaxdl.console import progress
from jaxdl.data.sources import SECONDS_WITHOUT_NEW_BYTES, File, SourceError, accept

SECONDS_TO_ANSWER = 4.0
CHUNK_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Website:
    """A folder on the web. As urllib does, it takes proxies from the environment.

    Attributes:
      address: URL with a slash at its end, to which the file names are appended.
      files: the files that the folder has.
      label: the name of this source in messages.
    """

    address: str
    files: tuple[File, ...]
    label: str = "the official address"

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`. The first connection probes the address, with less patience."""
        patience = SECONDS_TO_ANSWER
        completed = 0
        with progress(f"downloading from {self.label}", sum(f.size for f in missing)) as update:
            for file in missing:
                unfinished = temporary / file.name
                with unfinished.open("wb") as stream:
                    for chunk in _download(self.address + file.name, patience):
                        completed += stream.write(chunk)
                        update(completed, f"{completed / 1e6:.1f} MB")
                        if stream.tell() > file.size:
                            break
                accept(unfinished, file, folder)
                patience = SECONDS_WITHOUT_NEW_BYTES


def _download(address: str, patience: float) -> Iterator[bytes]:
    """Yields the body of the response in chunks; raises SourceError if the network fails."""
    with _open(address, patience) as response:
        while True:
            try:
                chunk = response.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise SourceError(f"the connection broke off ({error})") from error
            if not chunk:
                return
            yield chunk


def _open(address: str, patience: float) -> http.client.HTTPResponse:
    """Opens the address within ``patience`` seconds altogether.

    The timeout of urllib applies to each attempt to connect, and not to the look-up of the host
    name, which can take a minute. So a thread does the waiting, and is abandoned if it takes
    too long.
    """
    answers: SimpleQueue = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(address, timeout=SECONDS_WITHOUT_NEW_BYTES))
        except Exception as error:  # raised below, in the calling thread
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=patience)
    except Empty:
        raise SourceError(f"no answer within {patience:.1f} s") from None
    if isinstance(answer, Exception):
        reason = getattr(answer, "reason", answer)
        raise SourceError(str(reason) or type(answer).__name__)
    return answer
