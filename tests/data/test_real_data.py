import hashlib

import numpy as np
import pytest

from jaxdl.data import load
from jaxdl.data.catalog import CATALOG
from jaxdl.data.website import Website

pytestmark = pytest.mark.network

DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_DIGITS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
HISTOGRAMS = {"mnist": (DIGITS, TEST_DIGITS), "fashion_mnist": ([6000] * 10, [1000] * 10)}


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_the_mirror_gives_the_official_data(name, tmp_path, monkeypatch):
    builder = CATALOG[name].builder_class()
    mirrors = tuple(source for source in builder.SOURCES if not isinstance(source, Website))
    assert mirrors
    monkeypatch.setattr(builder, "SOURCES", mirrors)
    dataset = load(name, tmp_path, validation_fraction=0)
    for examples, histogram in zip((dataset.train, dataset.test), HISTOGRAMS[name], strict=True):
        assert examples["image"].shape == (sum(histogram), 28, 28, 1)
        np.testing.assert_array_equal(np.bincount(examples["label"]), histogram)
    for file in mirrors[0].files:
        content = (tmp_path / "downloads" / name / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
