import jax
import numpy as np
import optax

from jaxdl.training.finetuning import FROZEN, PretrainedStart, distances_to_head, with_layer_decay

PARAMS = {
    name: {"kernel": np.ones((2, 2), np.float32)}
    for name in ("embedding", "block_0", "block_1", "block_2", "head")
}


def distances(**options):
    found = distances_to_head(PretrainedStart({"params": PARAMS}, **options))
    return {name: leaves["kernel"] for name, leaves in found.items()}


def updates(**options):
    """How far each layer is updated by a gradient of ones and a learning rate of 1."""
    optimizer = with_layer_decay(optax.sgd(1.0), PretrainedStart({"params": PARAMS}, **options))
    updates, _ = optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)
    return {name: -float(leaves["kernel"][0, 0]) for name, leaves in updates.items()}


def test_distances_count_blocks_to_the_head():
    assert distances() == {"embedding": 4, "block_0": 3, "block_1": 2, "block_2": 1, "head": 0}


def test_the_layers_before_frozen_blocks_are_frozen_too():
    frozen = {name for name, d in distances(frozen_blocks=2).items() if d == FROZEN}
    assert frozen == {"embedding", "block_0", "block_1"}


def test_layers_further_from_the_head_are_updated_less_and_frozen_ones_not_at_all():
    assert updates(layer_decay=0.5, frozen_blocks=1) == {
        "embedding": 0,
        "block_0": 0,
        "block_1": 0.25,
        "block_2": 0.5,
        "head": 1,
    }


def test_without_decay_and_frozen_blocks_all_layers_have_the_same_learning_rate():
    assert updates() == dict.fromkeys(PARAMS, 1)


def test_frozen_layers_have_no_optimizer_state():
    start = PretrainedStart({"params": PARAMS}, frozen_blocks=3)
    state = with_layer_decay(optax.adam(1.0), start).init(PARAMS)
    sizes = [leaf.size for leaf in jax.tree.leaves(state)]
    assert sizes.count(4) == 2  # the two moments of the head
