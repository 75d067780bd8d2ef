"""Layers and parameters that Muon and fine-tuning do not know are errors."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from modules import parameter_shapes

from jaxdl.errors import UserError
from jaxdl.models.bert import Bert
from jaxdl.models.cnn import CNN, VGG, LeNet5
from jaxdl.models.gan import Discriminator, Generator
from jaxdl.models.mlp import MLP
from jaxdl.models.residual_gan import ResidualDiscriminator, ResidualGenerator
from jaxdl.models.resnet import BottleneckBlock, ResNet
from jaxdl.models.rnn import TextRNN
from jaxdl.models.transformer import TextTransformer
from jaxdl.models.vit import ViT
from jaxdl.training.finetuning import FROZEN, PretrainedStart, distances_to_head, with_layer_decay
from jaxdl.training.layers import block_number, is_hidden_kernel, require_head
from jaxdl.training.muon import hidden_kernels
from jaxdl.training.optimizers import build_optimizer, is_decayed

IMAGES = (jnp.zeros((1, 28, 28, 1)),)
NOISE = (jnp.zeros((1, 10)),)
TEXT = (jnp.ones((1, 4), jnp.int32), jnp.ones(1, jnp.int32))
TWO_BLOCKS = {"embed_dim": 8, "num_layers": 2, "num_heads": 2}
NGRAMS = {"ngrams": 2, "ngram_buckets": 8}
RATE = optax.constant_schedule(0.1)

WITH_BLOCKS = [
    (ResNet((2, 1), projects=False), IMAGES),
    (ResNet((1, 2), block=BottleneckBlock, normalisation="group"), IMAGES),
    (TextTransformer(**TWO_BLOCKS), TEXT),
    (TextTransformer(**TWO_BLOCKS, **NGRAMS), TEXT),
    (TextRNN(num_layers=2, bidirectional=True), TEXT),
    (TextRNN(num_layers=2, **NGRAMS), TEXT),
    (TextTransformer(**TWO_BLOCKS, positions="rotary"), TEXT),
    (ViT(**TWO_BLOCKS, patch_size=7), IMAGES),
    (ViT(**TWO_BLOCKS, patch_size=7, pooling="mean", positions="sincos", remat=True), IMAGES),
    (Bert(**TWO_BLOCKS), TEXT),
    (Bert(**TWO_BLOCKS, num_token_types=0, pooling="relu"), TEXT),
]
WITHOUT_BLOCKS = [
    (MLP(), IMAGES),
    (CNN(), IMAGES),
    (LeNet5(), IMAGES),
    (VGG(stages=((2, 2), (3,))), IMAGES),
    (Discriminator(), IMAGES),
    (Generator(), NOISE),
    (ResidualDiscriminator(4), IMAGES),
    (ResidualGenerator(features=4), NOISE),
]


def name_of(value):
    return type(value).__name__ if hasattr(value, "init") else ""


@pytest.fixture(scope="module")
def params():
    return parameter_shapes(ViT(**TWO_BLOCKS, patch_size=7), IMAGES)


def renamed(params, old, new):
    return {new if name == old else name: tree for name, tree in params.items()}


def update(optimizer, params):
    """Traces one update."""
    return jax.eval_shape(lambda p: optimizer.update(p, optimizer.init(p), p)[0], params)


@pytest.mark.parametrize(("model", "inputs"), WITH_BLOCKS + WITHOUT_BLOCKS, ids=name_of)
def test_muon_updates_every_network_and_not_its_head(model, inputs):
    params = parameter_shapes(model, inputs)
    kernels = hidden_kernels(params)
    assert not any(kernels["head"].values())
    of_blocks = [tree for name, tree in kernels.items() if block_number(name) is not None]
    for tree in of_blocks or [kernels]:
        assert any(jax.tree.leaves(tree))
    changes = update(build_optimizer("muon", RATE), params)
    assert jax.tree.map(jnp.shape, changes) == jax.tree.map(jnp.shape, params)


@pytest.mark.parametrize("name", ["adamw", "sgd", "muon"])
def test_weight_decay_shrinks_kernels_and_nothing_else_of_several_dimensions(params, name):
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), params)
    optimizer = build_optimizer(name, RATE, weight_decay=0.5)
    zeros = jax.tree.map(np.zeros_like, params)
    changes, _ = optimizer.update(zeros, optimizer.init(params), params)
    assert changes["block_0"]["attention"]["query_key_value"]["bias"].ndim == 3
    for path, change in jax.tree_util.tree_leaves_with_path(changes):
        names = tuple(entry.key for entry in path)
        decayed = is_hidden_kernel(names) if name == "muon" else names[-1] == "kernel"
        assert change.any() == decayed, names


def test_weight_decay_shrinks_embeddings_but_not_positions_and_token_types():
    decayed = is_decayed(parameter_shapes(Bert(**TWO_BLOCKS), TEXT))
    assert decayed["embedding"]["embedding"]
    assert not decayed["positions"]
    assert not decayed["token_types"]


@pytest.mark.parametrize("frozen_blocks", [0, 1])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("model", "inputs"), WITH_BLOCKS, ids=name_of)
def test_every_network_with_blocks_has_layerwise_learning_rates(
    model, inputs, optimizer, frozen_blocks
):
    params = parameter_shapes(model, inputs)
    start = PretrainedStart({"params": params}, layer_decay=0.5, frozen_blocks=frozen_blocks)
    distances = distances_to_head(start)
    assert set(jax.tree.leaves(distances["head"])) == {0}
    numbers = {name: block_number(name) for name in params if block_number(name) is not None}
    count = max(numbers.values()) + 1
    assert set(numbers.values()) == set(range(count))
    for name, number in numbers.items():
        expected = FROZEN if number < frozen_blocks else count - number
        assert set(jax.tree.leaves(distances[name])) == {expected}
    changes = update(with_layer_decay(build_optimizer(optimizer, RATE), start), params)
    assert jax.tree.map(jnp.shape, changes) == jax.tree.map(jnp.shape, params)


@pytest.mark.parametrize(("model", "inputs"), WITHOUT_BLOCKS, ids=name_of)
def test_a_network_without_blocks_can_be_trained_further_with_one_learning_rate(model, inputs):
    params = parameter_shapes(model, inputs)
    optimizer = build_optimizer("adamw", RATE)
    assert with_layer_decay(optimizer, PretrainedStart({"params": params})) is optimizer
    for options in ({"layer_decay": 0.5}, {"frozen_blocks": 1}):
        with pytest.raises(UserError, match=r"^The layer .* is neither a block nor known"):
            with_layer_decay(optimizer, PretrainedStart({"params": params}, **options))


def test_muon_refuses_a_renamed_head_and_lists_the_layers(params):
    message = r'^No layer is named "head", but .*logits_layer.*: name the layer .* "head"'
    with pytest.raises(UserError, match=message) as failure:
        update(build_optimizer("muon", RATE), renamed(params, "head", "logits_layer"))
    assert "\n" not in str(failure.value)
    assert str(failure.value).endswith("or choose another optimizer.")


@pytest.mark.parametrize("where", [(), ("block_0",), ("block_0", "attention")])
def test_muon_refuses_an_unknown_parameter_and_names_it(params, where):
    shape = {"temperature": jax.ShapeDtypeStruct((8, 8), np.float32)}

    def with_parameter(tree, layers):
        if not layers:
            return tree | shape
        first, *others = layers
        return tree | {first: with_parameter(tree[first], others)}

    path = "/".join((*where, "temperature"))
    message = f"^Muon does not know whether the parameter {path} is a matrix: name it kernel, or"
    with pytest.raises(UserError, match=message) as failure:
        update(build_optimizer("muon", RATE), with_parameter(params, where))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_other_optimizers_take_any_names(name):
    params = {"anything": {"weights": jax.ShapeDtypeStruct((3, 4), np.float32)}}
    assert update(build_optimizer(name, RATE), params)["anything"]["weights"].shape == (3, 4)


@pytest.mark.parametrize(
    ("old", "new"),
    [("head", "classifier"), ("norm", "last_norm"), ("embedding", "patches"), ("token", "cls")],
)
def test_layerwise_learning_rates_refuse_an_unknown_layer_or_parameter_and_name_it(
    params, old, new
):
    start = PretrainedStart({"params": renamed(params, old, new)}, layer_decay=0.5)
    with pytest.raises(UserError, match=f"^The layer {new} is neither a block nor") as failure:
        with_layer_decay(optax.sgd(0.1), start)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("layer", "number"),
    [
        *(("block_0", 0), ("block_12", 12), ("layer_1", 1), ("layer_1_reverse", 1)),
        *(("block_", None), ("my_block_1", None), ("layer_1_other", None), ("head", None)),
    ],
)
def test_the_number_of_a_block_is_part_of_its_name(layer, number):
    assert block_number(layer) == number


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("block_0/conv_0/kernel", True),
        ("dense_0/kernel", True),
        ("block_0/head/kernel", True),
        ("head/kernel", False),
        ("pool/kernel", False),
        ("ratio_weights/kernel", False),
        ("embedding/kernel", False),
        ("embedding/embedding", False),
        ("kernel", False),
        ("block_0/norm_0/scale", False),
        ("positions", False),
    ],
)
def test_hidden_kernels_are_those_between_embedding_and_head(path, hidden):
    assert is_hidden_kernel(tuple(path.split("/"))) == hidden


def test_a_head_at_the_top_is_enough():
    require_head({"head": {}, "dense_0": {}})
    with pytest.raises(UserError, match='No layer is named "head", but block_0:'):
        require_head({"block_0": {"head": {}}})
