"""Data sets: official bytes, prepared without TensorFlow, as arrays."""

from jaxdl.data.catalog import IMAGE_DATASETS, TEXT_DATASETS
from jaxdl.data.dataset import DEFAULT_DATA_DIR, Dataset, load

__all__ = ["DEFAULT_DATA_DIR", "IMAGE_DATASETS", "TEXT_DATASETS", "Dataset", "load"]
