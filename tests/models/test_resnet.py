import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.models.resnet import RESNETS, ResNet18, ResNet20
from jaxdl.training.state import count_parameters

SMALL = {"num_classes": 10}
SMALL_STEM = {**SMALL, "stem": "small"}


def shapes(model, size):
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    return jax.eval_shape(
        lambda images: model.init_with_output(jax.random.key(0), images, train=False), images
    )


@pytest.mark.parametrize(
    ("depth", "options", "size", "parameters"),
    [
        (20, SMALL, 32, 269_722),
        (32, SMALL, 32, 464_154),
        (44, SMALL, 32, 658_586),
        (56, SMALL, 32, 853_018),
        (110, SMALL, 32, 1_727_962),
        (18, SMALL_STEM, 32, 11_173_962),
        (34, SMALL_STEM, 32, 21_282_122),
        (18, {}, 224, 11_689_512),
        (34, {}, 224, 21_797_672),
        (50, {}, 224, 25_557_032),
        (101, {}, 224, 44_549_160),
        (152, {}, 224, 60_192_808),
    ],
)
def test_the_numbers_of_parameters_are_the_published_ones(depth, options, size, parameters):
    model = RESNETS[depth](**options)
    logits, variables = shapes(model, size)
    assert count_parameters(variables["params"]) == parameters
    assert logits.shape == (2, options.get("num_classes", 1000))


@pytest.mark.parametrize("projects", [True, False])
def test_a_fresh_block_is_the_identity(projects):
    """So the logits depend on stem, shortcuts and head alone, whatever the blocks hold."""
    model = ResNet20(num_classes=10, projects=projects)
    images = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
    variables = model.init(jax.random.key(1), images, train=False)

    def other(path, leaf):
        inside = path[0].key.startswith("BasicBlock") and path[1].key in ("Conv_0", "Conv_1")
        return leaf + 1.0 if inside else leaf

    changed = jax.tree_util.tree_map_with_path(other, variables["params"])
    expected = model.apply(variables, images, train=False)
    got = model.apply({**variables, "params": changed}, images, train=False)
    np.testing.assert_array_equal(got, expected)


def test_without_shortcuts_the_blocks_are_all_there_is():
    images = jax.random.uniform(jax.random.key(0), (2, 8, 8, 3))
    model = ResNet20(num_classes=10, residual=False)
    variables = model.init(jax.random.key(1), images, train=False)
    silenced = variables["params"] | {
        "BasicBlock_4": jax.tree.map(jnp.zeros_like, variables["params"]["BasicBlock_4"])
    }
    one, other = model.apply({**variables, "params": silenced}, images, train=False)
    np.testing.assert_array_equal(one, other)
    assert count_parameters(variables["params"]) == 269_722


def test_group_normalisation_needs_no_batch_statistics():
    images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    model = ResNet20(num_classes=10, normalisation="group")
    variables = model.init(jax.random.key(1), images, train=True)
    assert set(variables) == {"params"}
    together = model.apply(variables, images, train=True)
    alone = model.apply(variables, images[:1], train=True)
    np.testing.assert_allclose(together[:1], alone, atol=1e-4)


def test_bfloat16_gives_float32_logits_of_the_same_meaning():
    images = jax.random.uniform(jax.random.key(0), (2, 16, 16, 3))
    options = {"stem": "small", "num_classes": 10, "features": 16}
    model = ResNet18(**options)
    variables = model.init(jax.random.key(1), images, train=False)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    logits = model.apply(variables, images, train=False)
    coarse = ResNet18(**options, dtype=jnp.bfloat16).apply(variables, images, train=False)
    assert coarse.dtype == jnp.float32
    np.testing.assert_allclose(coarse, logits, atol=0.05 * np.abs(logits).max() + 0.02)
