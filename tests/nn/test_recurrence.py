import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies
from jax import lax

from jaxdl.nn import CELLS, recurrence


def plain(cell, inputs, kernel, bias, mask):
    """The same recurrence as a plain scan, differentiated automatically."""

    def step(carry, now):
        inputs_now, mask_now = now
        recurrent = jnp.split(carry[0] @ kernel + bias, cell.gates, axis=-1)
        new = cell.update(inputs_now, recurrent, carry)
        new = jax.tree.map(lambda n, old: jnp.where(mask_now[:, None], n, old), new, carry)
        return new, new[0]

    zeros = (jnp.zeros_like(inputs[0][0]),) * cell.carries
    return lax.scan(step, zeros, (inputs, mask))[1]


def new_arguments(cell, time, batch, features, seed, dtype=jnp.float32):
    random = np.random.default_rng(seed)
    width = cell.gates * features
    inputs = tuple(
        jnp.asarray(random.normal(size=(time, batch, features)), dtype) for _ in range(cell.gates)
    )
    kernel = jnp.asarray(0.5 * random.normal(size=(features, width)), dtype)
    bias = jnp.asarray(0.1 * random.normal(size=width), dtype)
    lengths = random.integers(1, time + 1, batch)
    return inputs, kernel, bias, jnp.arange(time)[:, None] < lengths


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(jnp.float32, 2e-5), (jnp.bfloat16, 0.1)], ids=["float32", "bfloat16"]
)
@pytest.mark.parametrize("name", CELLS)
@given(
    time=strategies.integers(1, 6),
    batch=strategies.integers(1, 3),
    features=strategies.integers(1, 4),
    seed=strategies.integers(0, 100),
)
@settings(max_examples=4, deadline=None)
def test_values_and_gradients_are_those_of_a_plain_scan(
    name, dtype, tolerance, time, batch, features, seed
):
    cell = CELLS[name]
    inputs, kernel, bias, mask = new_arguments(cell, time, batch, features, seed, dtype)

    def values_and_gradients(run, *arguments):
        hidden, pull_back = jax.vjp(lambda *arguments: run(cell, *arguments, mask), *arguments)
        cotangent = jnp.cos(jnp.arange(hidden.size, dtype=dtype)).reshape(hidden.shape)
        return hidden, *pull_back(cotangent)

    @jax.jit
    def compare(*arguments):
        return [values_and_gradients(run, *arguments) for run in (recurrence, plain)]

    results = compare(inputs, kernel, bias)
    for ours, reference in zip(*map(jax.tree.leaves, results), strict=True):
        assert ours.dtype == reference.dtype == dtype
        np.testing.assert_allclose(
            np.asarray(ours, np.float32),
            np.asarray(reference, np.float32),
            rtol=tolerance,
            atol=tolerance * max(1.0, float(jnp.abs(reference).max())),
        )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_follows_the_textbook_formulas(name):
    cell = CELLS[name]
    inputs, kernel, bias, _ = new_arguments(cell, 3, 2, 4, seed=0)
    hidden = memory = np.zeros((2, 4))
    expected = []
    for now in np.concatenate(inputs, axis=-1).astype(np.float64):
        recurrent = hidden @ np.asarray(kernel, np.float64) + np.asarray(bias, np.float64)
        if name == "simple":
            hidden = np.tanh(now + recurrent)
        elif name == "lstm":
            i, f, g, o = np.split(now + recurrent, 4, axis=-1)
            memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(memory)
        else:
            (input_r, input_z, input_n), (r, z, n) = (
                np.split(now, 3, -1),
                np.split(recurrent, 3, -1),
            )
            z = sigmoid(input_z + z)
            hidden = (1 - z) * np.tanh(input_n + sigmoid(input_r + r) * n) + z * hidden
        expected.append(hidden)
    ours = recurrence(cell, inputs, kernel, bias, jnp.ones((3, 2), bool))
    np.testing.assert_allclose(ours, np.stack(expected), rtol=1e-5, atol=1e-6)
