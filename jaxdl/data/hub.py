"""Files from the Hugging Face Hub."""

import os

from jaxdl.data.sources import File
from jaxdl.data.website import Website


def hub(repository: str, revision: str, files: tuple[File, ...]) -> Website:
    """Returns a source of files: the model repository ``OWNER/NAME`` at a commit's hash.

    The environment variable ``HF_ENDPOINT`` can name a hub other than the official one.
    """
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    address = f"{endpoint.rstrip('/')}/{repository}/resolve/{revision}/"
    return Website(address, files, f"the Hugging Face Hub, {repository}")
