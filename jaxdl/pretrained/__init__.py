"""Floor 2: published weights, from their publishers' files to the variables of our modules."""

from jaxdl.pretrained.catalog import PUBLISHED, ModelName, Published
from jaxdl.pretrained.loading import load_published, load_tokenizer_of

__all__ = ["PUBLISHED", "ModelName", "Published", "load_published", "load_tokenizer_of"]
