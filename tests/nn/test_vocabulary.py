import jax
import jax.numpy as jnp
import numpy as np
import pytest
from vocabulary_example import example

from jaxdl.nn import vocabulary
from jaxdl.nn.vocabulary import cross_entropies, summed_cross_entropy


def by_all_logits(features, table, targets, weights):
    log_probabilities = jax.nn.log_softmax(features @ table.T)
    chosen = jnp.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]
    return -(chosen * weights).sum()


@pytest.mark.parametrize("at_once", [1, 6, 1024])
@pytest.mark.parametrize(("batch", "positions"), [(3, 7), (2, 1), (1, 12)])
def test_value_and_gradient_are_those_of_all_logits(batch, positions, at_once, monkeypatch):
    monkeypatch.setattr(vocabulary, "POSITIONS_AT_ONCE", at_once)
    features, table, *asked = example(batch, positions)
    found = jax.value_and_grad(summed_cross_entropy, argnums=(0, 1))
    expected = jax.value_and_grad(by_all_logits, argnums=(0, 1))
    for one, other in zip(
        jax.tree.leaves(found(features, table, *asked)),
        jax.tree.leaves(expected(features, table, *asked)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_scaled_by_what_comes_after():
    features, table, *asked = example(2, 3)
    gradient = jax.grad(lambda x: summed_cross_entropy(x, table, *asked))(features)
    scaled = jax.grad(lambda x: -2.5 * summed_cross_entropy(x, table, *asked))(features)
    np.testing.assert_allclose(scaled, -2.5 * gradient, rtol=1e-5, atol=1e-6)


def test_sums_of_texts_add_up_to_the_sum_of_all():
    arguments = example(4, 9)
    sums = cross_entropies(*arguments)
    assert sums.shape == (4,)
    np.testing.assert_allclose(sums.sum(), summed_cross_entropy(*arguments), rtol=1e-5)


def test_bfloat16_is_close_to_float32():
    features, table, *asked = example(4, 40, width=32, size=100)
    rounded = (features.astype(jnp.bfloat16), table.astype(jnp.bfloat16))
    value, gradients = jax.jit(jax.value_and_grad(summed_cross_entropy, argnums=(0, 1)))(
        *rounded, *asked
    )
    expected = jax.grad(by_all_logits, argnums=(0, 1))(features, table, *asked)
    np.testing.assert_allclose(value, by_all_logits(features, table, *asked), rtol=1e-2)
    for one, other in zip(gradients, expected, strict=True):
        assert one.dtype == jnp.bfloat16
        assert jnp.linalg.norm(one - other) < 0.03 * jnp.linalg.norm(other)
