import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies

from jaxdl.nn import attend, attention


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(jnp.float32, 2e-5), (jnp.bfloat16, 0.05)], ids=["float32", "bfloat16"]
)
@given(
    batch=strategies.integers(1, 4),
    time=strategies.integers(1, 7),
    heads=strategies.integers(1, 3),
    masked=strategies.booleans(),
    room=strategies.sampled_from((1, 100, 10_000)),
    seed=strategies.integers(0, 100),
)
@settings(max_examples=3, deadline=None)
def test_values_and_gradients_are_those_of_jax(
    dtype, tolerance, batch, time, heads, masked, room, seed
):
    random = np.random.default_rng(seed)
    shape = (batch, time, heads, 4)
    arrays = [jnp.asarray(random.normal(size=shape), dtype) for _ in range(3)]
    mask = jnp.arange(time) < random.integers(1, time + 1, (batch, 1)) if masked else None
    weights = jnp.asarray(random.normal(size=shape), dtype)

    def reference(query, key, value):
        present = mask[:, None, None, :] if masked else None
        return jax.nn.dot_product_attention(query, key, value, mask=present)

    def results(function, dtype):
        values, pull_back = jax.vjp(function, *(array.astype(dtype) for array in arrays))
        return values, *pull_back(weights.astype(dtype))

    @jax.jit
    def compare():
        ours = results(lambda *arrays: attend(*arrays, mask), dtype)
        return ours, results(reference, jnp.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "CACHED_WEIGHTS", room)
        ours, references = compare()
    for got, expected in zip(ours, references, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(
            np.asarray(got, np.float32),
            expected,
            rtol=tolerance,
            atol=tolerance * max(1.0, float(jnp.abs(expected).max())),
        )


def test_large_scores_do_not_overflow():
    query = jnp.full((1, 3, 1, 4), 100.0)
    value = jnp.arange(12.0).reshape(1, 3, 1, 4)
    attended = attend(query, query, value, jnp.array([[True, True, False]]))
    np.testing.assert_allclose(
        attended, jnp.broadcast_to(value[:, :2].mean(1, keepdims=True), value.shape)
    )
