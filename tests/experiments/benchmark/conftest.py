import pytest

from experiments.benchmark import race, steady


@pytest.fixture
def every_turn_is_steady(monkeypatch):
    """Times few products and accepts all, since the other tests use the machine too."""
    monkeypatch.setattr(steady, "TOLERANCE", 1000.0)
    monkeypatch.setattr(steady, "FIRST_PRODUCTS", 1)
    monkeypatch.setattr(race, "PRODUCT_SECONDS", 0.01)
