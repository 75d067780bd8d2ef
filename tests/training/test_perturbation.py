import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from modules import draw

from jaxdl.models.rnn import TextRNN
from jaxdl.models.transformer import TextTransformer
from jaxdl.training.perturbation import with_adversary

BATCH = {
    "tokens": jnp.array([[2, 3, 4, 5, 0, 0], [6, 7, 8, 2, 3, 4]]),
    "length": jnp.array([4, 6]),
    "label": jnp.array([0, 1]),
}
WIDTH = 8
MODELS = [
    TextRNN(9, WIDTH, "lstm", 4, bidirectional=True, pooling="mean", dropout_rate=0.0),
    TextTransformer(9, 6, WIDTH, num_heads=2, dropout_rate=0.0),
]


def params_of(model):
    return draw(model, BATCH["tokens"], BATCH["length"], train=False)["params"]


def loss_of(model):
    @jax.jit
    def loss_fn(params, batch_stats, batch, key, extra=None):
        variables = {"params": params, **(extra or {})}
        rngs = {"dropout": key}
        logits = model.apply(variables, batch["tokens"], batch["length"], train=True, rngs=rngs)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return losses.mean(), (batch_stats, {"loss": losses.mean()})

    return loss_fn


def perturbed(change):
    return {"perturbations": {"embedding": change}}


@pytest.mark.parametrize("model", MODELS, ids=["rnn", "transformer"])
def test_a_change_is_relative_to_the_embedding_of_the_text_and_leaves_padding_alone(model):
    params, loss_fn = params_of(model), loss_of(model)
    arguments = ({}, BATCH, jax.random.key(1))
    plain, _ = loss_fn(params, *arguments)
    none, _ = loss_fn(params, *arguments, perturbed(jnp.zeros((2, 6, WIDTH))))
    np.testing.assert_allclose(none, plain, rtol=1e-6)
    of_padding = jnp.zeros((2, 6, WIDTH)).at[0, 4:].set(1.0)
    padded, _ = loss_fn(params, *arguments, perturbed(of_padding))
    np.testing.assert_allclose(padded, plain, rtol=1e-6)

    # A change of one word by as much as the embedding of the whole text is long.
    table = params["embedding"]["embedding"]
    norm = jnp.linalg.norm(table[BATCH["tokens"][0, :4]])
    direction = jax.random.normal(jax.random.key(2), (WIDTH,))
    changed, _ = loss_fn(
        params, *arguments, perturbed(jnp.zeros((2, 6, WIDTH)).at[0, 1].set(direction))
    )
    moved = {"embedding": table.at[3].add(norm * direction)}
    alone = jax.tree.map(lambda x: x[:1], BATCH)
    second = jax.tree.map(lambda x: x[1:], BATCH)
    of_first, _ = loss_fn(params | {"embedding": moved}, {}, alone, jax.random.key(1))
    of_second, _ = loss_fn(params, {}, second, jax.random.key(1))
    np.testing.assert_allclose(changed, (of_first + of_second) / 2, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=["rnn", "transformer"])
def test_gradients_are_the_mean_of_those_on_texts_and_on_their_worst_changes(model):
    params, loss_fn = params_of(model), loss_of(model)
    arguments = ({}, BATCH, jax.random.key(1))

    def of_change(change):
        return loss_fn(params, *arguments, perturbed(change))[0]

    direction = jax.grad(of_change)(jnp.zeros((2, 6, WIDTH)))
    worst = 0.05 * direction / jnp.linalg.norm(direction.reshape(2, -1), axis=1)[:, None, None]
    assert of_change(worst) > of_change(jnp.zeros_like(worst))
    assert of_change(worst) > of_change(-worst)

    grads, (_, metrics) = jax.jit(with_adversary(loss_fn, 0.05))(params, *arguments)
    plain = jax.grad(lambda p: loss_fn(p, *arguments)[0])(params)
    changed = jax.grad(lambda p: loss_fn(p, *arguments, perturbed(worst))[0])(params)
    expected = jax.tree.map(lambda one, other: (one + other) / 2, plain, changed)
    for one, other in zip(jax.tree.leaves(grads), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], loss_fn(params, *arguments)[0], rtol=1e-6)
