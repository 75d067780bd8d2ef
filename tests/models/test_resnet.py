from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modules import apply, init

from jaxdl.models.resnet import RESNETS, BottleneckBlock, ResNet
from jaxdl.training.state import count_parameters

SMALL = {"num_classes": 10}
SMALL_STEM = {**SMALL, "stem": "small"}


def slow(*case):
    """Marks the case of a deep network, whose shapes take seconds to compute."""
    return pytest.param(*case, marks=pytest.mark.slow)


def shapes(model, size):
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    return jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=False), images
    )


@pytest.mark.parametrize(
    ("depth", "options", "size", "parameters"),
    [
        (20, SMALL, 32, 269_722),
        slow(32, SMALL, 32, 464_154),
        slow(44, SMALL, 32, 658_586),
        slow(56, SMALL, 32, 853_018),
        slow(110, SMALL, 32, 1_727_962),
        (18, SMALL_STEM, 32, 11_173_962),
        slow(34, SMALL_STEM, 32, 21_282_122),
        (18, {}, 224, 11_689_512),
        slow(34, {}, 224, 21_797_672),
        (50, {}, 224, 25_557_032),
        slow(101, {}, 224, 44_549_160),
        slow(152, {}, 224, 60_192_808),
    ],
)
def test_the_numbers_of_parameters_are_the_published_ones(depth, options, size, parameters):
    model = RESNETS[depth](**options)
    logits, variables = shapes(model, size)
    assert count_parameters(variables["params"]) == parameters
    assert logits.shape == (2, options.get("num_classes", 1000))


def small_resnet(**options):
    """Makes a network of two stages of one block."""
    return ResNet((1, 1), features=8, stem="small", num_classes=10, **options)


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))


@pytest.mark.parametrize(
    "options", [{"projects": True}, {"projects": False}, {"block": BottleneckBlock}]
)
def test_a_fresh_block_is_its_shortcut(images, options):
    """So the logits of a fresh network do not depend on the blocks' other convolutions."""
    model = small_resnet(**options)
    variables = init(model, images, train=False)

    def other(path, leaf):
        inside = path[0].key.startswith("block_") and path[1].key.startswith("conv_")
        return leaf + 1.0 if inside else leaf

    changed = jax.tree_util.tree_map_with_path(other, variables["params"])
    expected = apply(model, variables, images, train=False)
    got = apply(model, {**variables, "params": changed}, images, train=False)
    np.testing.assert_array_equal(got, expected)


def test_without_shortcuts_the_images_reach_the_logits_through_the_blocks_only(images):
    model = small_resnet(residual=False)
    variables = init(model, images, train=False)
    zeroed = variables["params"] | {
        "block_0": jax.tree.map(jnp.zeros_like, variables["params"]["block_0"])
    }
    one, other, *_ = apply(model, {**variables, "params": zeroed}, images, train=False)
    np.testing.assert_array_equal(one, other)
    with_shortcuts = small_resnet(projects=False)
    shapes_with = jax.eval_shape(partial(init, with_shortcuts, train=False), images)
    assert count_parameters(variables["params"]) == count_parameters(shapes_with["params"])


def test_group_normalisation_treats_each_image_independently(images):
    model = small_resnet(normalisation="group")
    variables = init(model, images, train=True)
    assert set(variables) == {"params"}
    together, alone = (apply(model, variables, x, train=True) for x in (images, images[:1]))
    np.testing.assert_allclose(together[:1], alone, atol=1e-4)


def test_groups_have_several_channels(images):
    channels = set()

    def note(call, arguments, options, context):
        if isinstance(context.module, nn.GroupNorm) and context.method_name == "__call__":
            channels.add(arguments[0].shape[-1] // context.module.num_groups)
        return call(*arguments, **options)

    with nn.intercept_methods(note):
        jax.eval_shape(partial(init, RESNETS[20](normalisation="group"), train=False), images)
    assert min(channels) > 1


def test_bfloat16_is_close_to_float32(images):
    model = small_resnet()
    variables = init(model, images, train=False)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    variables["params"] = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.ones_like(leaf) if path[-1].key == "scale" else leaf,
        variables["params"],
    )  # fresh blocks would add nothing
    logits = apply(model, variables, images, train=False)
    coarse = apply(small_resnet(dtype=jnp.bfloat16), variables, images, train=False)
    assert coarse.dtype == jnp.float32
    np.testing.assert_allclose(coarse, logits, atol=0.05 * np.abs(logits).max() + 0.02)
