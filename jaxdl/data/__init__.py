"""Floor 1: data sets as arrays, prepared without TensorFlow from exactly the published files."""

from jaxdl.data.catalog import IMAGE_DATASETS, TEXT_DATASETS
from jaxdl.data.dataset import DEFAULT_DATA_DIR, Dataset, load

__all__ = ["DEFAULT_DATA_DIR", "IMAGE_DATASETS", "TEXT_DATASETS", "Dataset", "load"]
