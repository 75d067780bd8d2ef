"""Whether layers round the factors of their products to bfloat16, while they compute in float32."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

ROUNDED_FACTORS = "BF16_BF16_F32"
"""JAX's name for products whose factors are rounded to bfloat16 and whose sums are float32."""

_rounds_factors: ContextVar[bool] = ContextVar("rounds_factors", default=False)


def rounds_factors() -> bool:
    """Whether the program that is being traced rounds the factors of its products."""
    return _rounds_factors.get()


@contextlib.contextmanager
def rounding_factors() -> Iterator[None]:
    """Makes layers that are traced in this context round the factors of their products to bfloat16.

    The choice is not part of the cache key of ``jax.jit``: a function that is traced both with and
    without it needs a ``jax.jit`` of its own for each.
    """
    token = _rounds_factors.set(True)
    try:
        yield
    finally:
        _rounds_factors.reset(token)
