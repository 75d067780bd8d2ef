from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models.vit import VITS, ViT, sinusoidal_positions, split_into_patches
from jaxdl.training.state import count_parameters

SMALL = {"patch_size": 4, "embed_dim": 16, "num_heads": 2, "num_classes": 5}


def init(model, images):
    return jax.jit(partial(model.init, train=False))({"params": jax.random.key(0)}, images)


def apply(model, variables, images):
    return jax.jit(partial(model.apply, train=False))(variables, images)


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(1), (3, 8, 12, 3))


@pytest.mark.parametrize(
    ("name", "parameters"), [("base", 86_567_656), ("small", 22_050_664), ("tiny", 5_717_416)]
)
def test_the_numbers_of_parameters_are_the_published_ones(name, parameters):
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    variables = jax.eval_shape(lambda images: init(VITS[name](), images), images)
    assert count_parameters(variables["params"]) == parameters


def test_patches_are_read_row_by_row():
    images = jnp.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    patches = split_into_patches(images, 2)
    assert patches.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(patches[1, 1, 2], images[1, 2:4, 4:6].reshape(-1))
    with pytest.raises(ValueError, match="4 x 6 pixels cannot be split into patches of side 4"):
        split_into_patches(images, 4)


def test_sinusoidal_positions_differ_and_their_distance_grows_with_that_of_the_patches():
    waves = sinusoidal_positions(6, 5, 16)
    assert waves.shape == (30, 16)
    gaps = np.linalg.norm(waves[:, None] - waves, axis=-1)
    assert (gaps + np.eye(30) > 0.1).all()
    assert gaps[0, 1] < gaps[0, 4]
    assert gaps[0, 5] < gaps[0, 25]


@pytest.mark.parametrize("pooling", ["token", "mean"])
@pytest.mark.parametrize("positions", ["learned", "sincos"])
def test_only_the_positions_depend_on_the_order_of_the_patches(images, pooling, positions):
    model = ViT(**SMALL, num_layers=1, pooling=pooling, positions=positions)
    variables = init(model, images)
    swapped = jnp.concatenate([images[:, 4:], images[:, :4]], axis=1)
    logits, other = (apply(model, variables, x) for x in (images, swapped))
    assert logits.shape == (3, 5)
    assert np.abs(logits - other).max() > 1e-3
    if positions == "learned":
        params = variables["params"]
        zeroed = params | {"positions": jnp.zeros_like(params["positions"])}
        logits, other = (model.apply({"params": zeroed}, x, train=False) for x in (images, swapped))
        np.testing.assert_allclose(logits, other, atol=1e-5)


def test_remat_does_not_change_the_gradients(images):
    model = ViT(**SMALL, num_layers=2)
    variables = init(model, images)

    def gradients(remat):
        model = ViT(**SMALL, num_layers=2, remat=remat)
        loss = lambda params: (model.apply({"params": params}, images, train=False) ** 2).sum()  # noqa: E731
        return jax.jit(jax.grad(loss))(variables["params"])

    for leaf, twin in zip(
        jax.tree.leaves(gradients(False)), jax.tree.leaves(gradients(True)), strict=True
    ):
        np.testing.assert_allclose(leaf, twin, atol=1e-4)


def test_a_skipped_block_does_not_change_the_tokens(images):
    """At a drop path rate of nearly 1 the network behaves as if it had no last block."""
    two = ViT(**SMALL, num_layers=2, drop_path_rate=1 - 1e-7)
    variables = init(two, images)
    one = ViT(**SMALL, num_layers=1)
    rngs = {"dropout": jax.random.key(2)}
    got = two.apply(variables, images, train=True, rngs=rngs)
    shared = {k: v for k, v in variables["params"].items() if k != "block_1"}
    expected = one.apply({"params": shared}, images, train=True, rngs=rngs)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    in_evaluation = apply(two, variables, images)
    assert np.abs(in_evaluation - expected).max() > 1e-3
