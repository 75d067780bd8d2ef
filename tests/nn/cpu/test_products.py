import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.nn.cpu.products import bfloat16_pays, multiply_in_bfloat16
from jaxdl.nn.precision import rounding_factors

SIZES = strategies.tuples(*[strategies.integers(1, 9)] * 3)
DTYPES = (jnp.bfloat16, jnp.float32)


def arrays(rows, inner, columns, dtype):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = ((rows, inner), (inner, columns), (rows, columns))
    return [jax.random.normal(*each).astype(dtype) for each in zip(keys, shapes, strict=True)]


@jax.jit
def value_and_gradients(left, right, cotangent):
    value, pull_back = jax.vjp(multiply_in_bfloat16, left, right)
    return value, *pull_back(cotangent)


@settings(max_examples=6, deadline=None)
@given(SIZES, strategies.sampled_from(DTYPES))
def test_value_and_gradients_are_those_of_rounded_factors(sizes, dtype):
    left, right, cotangent = arrays(*sizes, dtype)
    found = value_and_gradients(left, right, cotangent)
    a, b, c = (np.asarray(x.astype(jnp.bfloat16), np.float32) for x in (left, right, cotangent))
    for got, expected in zip(found, (a @ b, c @ b.T, a.T @ c), strict=True):
        assert got.dtype == dtype
        tolerance = 1e-5 if dtype == jnp.float32 else 0.01
        np.testing.assert_allclose(
            got.astype(jnp.float32), expected, rtol=tolerance, atol=10 * tolerance
        )


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="it cannot map constraints of layouts")
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_at_once_are_those_one_after_the_other(dtype):
    """As the seeds of one program are: the products are mapped over their parameters."""
    left, right, cotangent = (jnp.stack([x, 2 * x]) for x in arrays(4, 5, 6, dtype))
    together = jax.jit(jax.vmap(value_and_gradients))(left, right, cotangent)
    for index in range(2):
        alone = value_and_gradients(left[index], right[index], cotangent[index])
        for got, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(got[index], expected)


def test_products_pay_for_bfloat16_and_for_float32_where_rounded_factors_are_asked_for():
    half, single = (jnp.zeros((2, 2), dtype) for dtype in DTYPES)
    alone = jax.device_count() == 1
    assert bfloat16_pays(half) == alone
    assert not bfloat16_pays(single)
    with rounding_factors():
        assert bfloat16_pays(single) == alone
        assert not bfloat16_pays(jnp.zeros((2, 2), jnp.float16))
