import jax
import numpy as np
import optax

from jaxdl.training.finetuning import FROZEN, Start, discriminate, distances_to_head

PARAMS = {
    name: {"kernel": np.ones((2, 2), np.float32)}
    for name in ("embedding", "EncoderBlock_0", "EncoderBlock_1", "EncoderBlock_2", "Dense_0")
}


def distances(**options):
    found = distances_to_head(Start({"params": PARAMS}, **options))
    return {name: leaves["kernel"] for name, leaves in found.items()}


def test_distances_count_blocks_to_the_head():
    assert distances() == {
        "embedding": 4,
        "EncoderBlock_0": 3,
        "EncoderBlock_1": 2,
        "EncoderBlock_2": 1,
        "Dense_0": 0,
    }


def test_frozen_blocks_take_what_comes_before_them_along():
    frozen = {name for name, d in distances(frozen_blocks=2).items() if d == FROZEN}
    assert frozen == {"embedding", "EncoderBlock_0", "EncoderBlock_1"}


def test_deeper_layers_learn_more_slowly_and_frozen_ones_not_at_all():
    start = Start({"params": PARAMS}, layer_decay=0.5, frozen_blocks=1)
    optimizer = discriminate(optax.sgd(1.0), start)
    updates, _ = optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)
    moved = {name: -float(leaves["kernel"][0, 0]) for name, leaves in updates.items()}
    assert moved == {
        "embedding": 0,
        "EncoderBlock_0": 0,
        "EncoderBlock_1": 0.25,
        "EncoderBlock_2": 0.5,
        "Dense_0": 1,
    }


def test_frozen_layers_have_no_state_of_the_optimizer():
    start = Start({"params": PARAMS}, frozen_blocks=3)
    state = discriminate(optax.adam(1.0), start).init(PARAMS)
    sizes = [leaf.size for leaf in jax.tree.leaves(state)]
    assert sizes.count(4) == 2  # two moments of the head
