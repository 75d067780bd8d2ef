"""Commands run as users run them, and small published models in the place of the real ones."""

import sys
from pathlib import Path

import pytest

from jaxdl.pretrained import PUBLISHED

sys.path.extend(str(Path(__file__).parent.parent / name) for name in ("data", "pretrained"))
import small_models


@pytest.fixture
def small_published(monkeypatch):
    """Puts small models in the place of the published ones, in a data directory."""

    def put(name, data_dir):
        monkeypatch.setitem(PUBLISHED, name, small_models.place(name, data_dir))

    return put
