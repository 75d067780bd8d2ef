"""Files fetched from the Hugging Face hub."""

import dataclasses
from pathlib import Path

from jaxdl.data.sources import File
from jaxdl.data.website import Website


@dataclasses.dataclass(frozen=True)
class Hub:
    """A repository of a model, as it was at one commit.

    The hub is the one that ``HF_ENDPOINT`` names, if it is set.

    Attributes:
      repository: ``OWNER/NAME``.
      revision: the commit, in hexadecimal.
      files: what is to be fetched.
    """

    repository: str
    revision: str
    files: tuple[File, ...]

    @property
    def label(self) -> str:
        """What messages call this source."""
        return f"the Hugging Face hub, {self.repository}"

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`."""
        from huggingface_hub import hf_hub_url  # takes a while, and is rarely needed

        (first, *_) = self.files
        address = hf_hub_url(self.repository, first.name, revision=self.revision)
        website = Website(address.removesuffix(first.name), self.files, self.label)
        website.fetch(missing, folder, temporary)
