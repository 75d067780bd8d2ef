"""Files from the Hugging Face Hub."""

import dataclasses
from pathlib import Path

from jaxdl.data.sources import File
from jaxdl.data.website import Website


@dataclasses.dataclass(frozen=True)
class Hub:
    """The repository of a model at one commit.

    The environment variable ``HF_ENDPOINT`` can name a hub other than the official one.

    Attributes:
      repository: ``OWNER/NAME``.
      revision: hash of the commit.
      files: the files that the repository has.
    """

    repository: str
    revision: str
    files: tuple[File, ...]

    @property
    def label(self) -> str:
        """The name of this source in messages."""
        return f"the Hugging Face Hub, {self.repository}"

    def fetch(self, missing: list[File], folder: Path, temporary: Path) -> None:
        """See `Source.fetch`."""
        from huggingface_hub import hf_hub_url  # slow to import, and rarely needed

        (first, *_) = self.files
        address = hf_hub_url(self.repository, first.name, revision=self.revision)
        website = Website(address.removesuffix(first.name), self.files, self.label)
        website.fetch(missing, folder, temporary)
