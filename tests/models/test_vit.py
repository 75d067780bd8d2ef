from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, draw, init

from jaxdl.models.vit import (
    VITS,
    ConvolutionalTokenizer,
    ViT,
    sinusoidal_positions,
    split_into_patches,
)
from jaxdl.training.state import count_parameters

SMALL = {"patch_size": 4, "embed_dim": 16, "num_heads": 2, "num_classes": 5}


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(1), (3, 8, 12, 3))


@pytest.mark.parametrize(
    ("name", "parameters"), [("base", 86_567_656), ("small", 22_050_664), ("tiny", 5_717_416)]
)
def test_the_numbers_of_parameters_are_the_published_ones(name, parameters):
    images = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
    variables = jax.eval_shape(partial(init, VITS[name](), train=False), images)
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


@pytest.mark.parametrize("pooling", ["token", "mean", "sequence"])
@pytest.mark.parametrize("positions", ["learned", "sincos"])
def test_only_the_positions_depend_on_the_order_of_the_patches(images, pooling, positions):
    model = ViT(**SMALL, num_layers=1, pooling=pooling, positions=positions)
    variables = draw(model, images, train=False)
    swapped = jnp.concatenate([images[:, 4:], images[:, :4]], axis=1)
    logits, other = (apply(model, variables, x, train=False) for x in (images, swapped))
    assert logits.shape == (3, 5)
    assert np.abs(logits - other).max() > 1e-3
    if positions == "learned":
        params = variables["params"]
        zeroed = params | {"positions": jnp.zeros_like(params["positions"])}
        logits, other = (
            apply(model, {"params": zeroed}, x, train=False) for x in (images, swapped)
        )
        np.testing.assert_allclose(logits, other, atol=1e-5)


def test_remat_does_not_change_the_gradients(images):
    model = ViT(**SMALL, num_layers=2)
    variables = draw(model, images, train=False)

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
    variables = draw(two, images, train=False)
    one = ViT(**SMALL, num_layers=1)
    rngs = {"dropout": jax.random.key(2)}
    got = apply(two, variables, images, train=True, rngs=rngs)
    shared = {k: v for k, v in variables["params"].items() if k != "block_1"}
    expected = apply(one, {"params": shared}, images, train=True, rngs=rngs)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    in_evaluation = apply(two, variables, images, train=False)
    assert np.abs(in_evaluation - expected).max() > 1e-3


def test_a_compact_convolutional_transformer_has_the_published_number_of_parameters():
    """CCT-4/3x2: 0.48 million (Hassani et al. 2021, table 2), which has no normalisation there."""
    model = ViT(
        patch_size=4,
        tokenizer="convolutions",
        embed_dim=128,
        num_layers=4,
        num_heads=2,
        mlp_ratio=1,
        pooling="sequence",
        num_classes=10,
    )
    images = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    params = jax.eval_shape(partial(init, model, train=False), images)["params"]
    assert params["embedding"].pop("norm_0")["scale"].shape == (64,)
    assert params["embedding"].pop("norm_1")["scale"].shape == (128,)
    assert round(count_parameters(params) / 1e6, 2) == 0.48


def test_convolutions_halve_the_images_until_a_pixel_is_a_patch(images):
    model = ViT(**SMALL, num_layers=1, tokenizer="convolutions", pooling="mean")
    variables = draw(model, images, train=False)
    embedding = {collection: layers["embedding"] for collection, layers in variables.items()}
    kernels = [embedding["params"][f"conv_{index}"]["kernel"] for index in range(2)]
    assert [kernel.shape for kernel in kernels] == [(3, 3, 3, 8), (3, 3, 8, 16)]
    tokenizer = ConvolutionalTokenizer(patch_size=4, features=16)
    assert apply(tokenizer, embedding, images, train=False).shape == (3, 2, 3, 16)


@pytest.mark.parametrize(("patch_size", "message"), [(7, "8 x 12"), (12, "8 x 12")])
def test_convolutions_refuse_patches_that_do_not_fill_the_image(images, patch_size, message):
    with pytest.raises(ValueError, match=message):
        ConvolutionalTokenizer(patch_size, 16).init(jax.random.key(0), images, train=False)


def test_convolutions_refuse_patches_whose_side_is_no_power_of_two():
    with pytest.raises(ValueError, match="power of 2"):
        images = jnp.zeros((1, 6, 6, 3))
        ConvolutionalTokenizer(3, 16).init(jax.random.key(0), images, train=False)


def test_sequence_pooling_averages_the_patches_by_weights_that_sum_to_one(images):
    model = ViT(**SMALL, num_layers=1, pooling="sequence")
    variables = draw(model, images, train=False)
    _, sown = apply(model, variables, images, train=False, mutable=["intermediates"])
    (weights,) = sown["intermediates"]["pooling"]
    assert weights.shape == (3, 6)
    np.testing.assert_allclose(weights.sum(1), np.ones(3), rtol=1e-5)
    assert weights.std() > 0
    params = variables["params"]
    plain = {name: value for name, value in params.items() if name != "pool"}
    mean = model.clone(pooling="mean")
    of_mean = apply(mean, {"params": plain}, images, train=False)
    assert np.abs(apply(model, variables, images, train=False) - of_mean).max() > 1e-4
    unweighted = params | {"pool": jax.tree.map(jnp.zeros_like, params["pool"])}
    np.testing.assert_allclose(
        apply(model, {"params": unweighted}, images, train=False), of_mean, atol=1e-5
    )
