import re

import jax
import numpy as np
import pytest
import small_models
from hypothesis import given, settings, strategies

from jaxdl.models.bert import BERTS
from jaxdl.models.resnet import RESNETS
from jaxdl.pretrained import PUBLISHED, name_maps
from jaxdl.pretrained.conversion import (
    REMEDY,
    MismatchError,
    export_tensors,
    import_variables,
    likeliest_names,
)
from jaxdl.pretrained.loading import describe_variables, stage_sizes_of

NAMES = [(name, names) for name, small in small_models.SMALL.items() for names in small.names]


def export_and_shapes(name, names, seed=0):
    published = small_models.SMALL[name]
    variables = small_models.random_variables(published, seed)
    shapes = describe_variables(published.build(), published)
    return variables, export_tensors(variables, names, stage_sizes_of(published.build())), shapes


@settings(max_examples=8, deadline=None)
@given(strategies.sampled_from(NAMES), strategies.integers(0, 99))
def test_exported_tensors_are_imported_again(case, seed):
    name, names = case
    variables, tensors, shapes = export_and_shapes(name, names, seed)
    stage_sizes = stage_sizes_of(small_models.SMALL[name].build())
    candidates = small_models.SMALL[name].names
    assert likeliest_names(shapes, tensors, candidates, stage_sizes) == names
    imported = import_variables(shapes, tensors, names, stage_sizes)
    jax.tree.map(np.testing.assert_array_equal, imported, variables)


def test_a_file_of_the_bare_encoder_may_omit_the_prefix():
    variables, tensors, shapes = export_and_shapes("minilm", name_maps.BERT)
    bare = {name.removeprefix("bert."): tensor for name, tensor in tensors.items()}
    imported = import_variables(shapes, bare, name_maps.BERT)
    jax.tree.map(np.testing.assert_array_equal, imported, variables)


def test_the_bias_of_a_convolution_is_subtracted_from_the_running_mean():
    names = name_maps.OLD_KERAS_RESNET
    variables, tensors, shapes = export_and_shapes("resnet50", names)
    bias = np.arange(4, dtype=np.float32)
    tensors["conv1/bias"] = tensors["res2a_branch2a/bias"] = bias
    tensors["res2a_branch1/bias"] = np.arange(16, dtype=np.float32)
    imported = import_variables(shapes, tensors, names, (2, 2))
    before, after = (
        {"stem": statistics["stem_norm"], **statistics["block_0"]}
        for statistics in (variables["batch_stats"], imported["batch_stats"])
    )
    for norm, size in (("stem", 4), ("norm_0", 4), ("shortcut_norm", 16), ("norm_1", 0)):
        difference = before[norm]["mean"] - after[norm]["mean"]
        np.testing.assert_allclose(difference[:size], np.arange(size), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors.pop("layer2.1.conv2.weight"),
            "FILE lacks the tensor layer2.1.conv2.weight (our block_3/conv_1/kernel): ",
        ),
        (
            lambda tensors: tensors.update({"fc.bias": np.zeros(5, np.float32)}),
            "FILE: the tensor fc.bias has the shape (5,), but our head/bias needs (4,): ",
        ),
        (
            lambda tensors: tensors.update({"fc.weight": tensors["fc.weight"].T}),
            "FILE: the tensor fc.weight has the shape (32, 4), but our head/kernel needs (4, 32): ",
        ),
        (
            lambda tensors: tensors.update(extra=np.zeros(1), other=np.zeros(1)),
            "FILE has tensors that our model does not have, extra and 1 more: ",
        ),
    ],
)
def test_the_first_mismatch_is_named(change, message):
    _, tensors, shapes = export_and_shapes("resnet50", name_maps.TORCH_RESNET)
    change(tensors)
    with pytest.raises(MismatchError, match=f"^{re.escape(message + REMEDY)}.$"):
        import_variables(shapes, tensors, name_maps.TORCH_RESNET, (2, 2), "FILE")


def test_the_first_mismatch_of_another_architecture_is_named():
    _, tensors, _ = export_and_shapes("distilbert-sst2", name_maps.DISTILBERT)
    _, _, shapes = export_and_shapes("minilm", name_maps.BERT)
    with pytest.raises(MismatchError, match=r"^FILE lacks the tensor bert\.\S+ \(our "):
        import_variables(shapes, tensors, name_maps.BERT, (), "FILE")


def test_an_unused_pooler_is_ignored():
    _, tensors, shapes = export_and_shapes("minilm", name_maps.BERT)
    tensors["bert.pooler.dense.bias"] = np.zeros(16, np.float32)
    import_variables(shapes, tensors, name_maps.BERT)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("minilm", 22_713_216 - 384 * 385),  # without the pooler
        ("distilbert-sst2", 66_955_010),
        ("resnet50", 25_557_032),
        ("resnet50-torchvision", 25_557_032),
        ("vit-base", 86_567_656),
    ],
)
def test_the_number_of_parameters_is_the_published_one(name, count):
    shapes = describe_variables(PUBLISHED[name].build(), PUBLISHED[name])
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


@pytest.mark.parametrize(("name", "count"), [("bert-base", 109_482_240), ("minilm", 22_713_216)])
def test_the_number_of_parameters_of_an_encoder_with_its_pooler_is_the_published_one(name, count):
    shapes = describe_variables(BERTS[name](num_classes=0), PUBLISHED["minilm"])
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def test_tensors_of_basic_blocks_have_names_too():
    model = RESNETS[18](num_classes=10)
    shapes = describe_variables(model, PUBLISHED["resnet50"])
    variables = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    tensors = export_tensors(variables, name_maps.TORCH_RESNET, model.stage_sizes)
    assert tensors["layer4.0.downsample.0.weight"].shape == (512, 256, 1, 1)
    import_variables(shapes, tensors, name_maps.TORCH_RESNET, model.stage_sizes)
