"""Training that starts from a trained model, with smaller learning rates for earlier layers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.errors import UserError
from jaxdl.training.layers import AFTER_BLOCKS, BEFORE_BLOCKS, block_number

FROZEN = -1


@dataclasses.dataclass(frozen=True)
class PretrainedStart:
    """The model to start from, most often a trained one, and how its layers are trained.

    Attributes:
      variables: variables of the model, "params" and "batch_stats".
      layer_decay: learning rate of a block, as a fraction of that of the block after it; the head
        has that of the options (discriminative fine-tuning: Howard and Ruder 2018, section 3.2).
      frozen_blocks: number of leading blocks whose parameters are frozen, with all that comes
        before them; 0 freezes nothing. Batch statistics are for the model to freeze.
      seconds_apart: seconds that the training of this model took in a separate run, whose summary
        counts them.
      features: additional features (examples, ...) of the training examples.
    """

    variables: Any
    layer_decay: float = 1.0
    frozen_blocks: int = 0
    seconds_apart: float = 0.0
    features: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def with_layer_decay(
    optimizer: optax.GradientTransformation, start: PretrainedStart
) -> optax.GradientTransformation:
    """Scales the optimizer's updates: the further a layer is from the head, the smaller they are.

    Frozen layers have no optimizer state, and their gradients are not computed. Where all layers
    have the same learning rate, the optimizer is returned unchanged, whatever the layers are named.
    """
    if start.layer_decay == 1 and not start.frozen_blocks:
        return optimizer
    distances = distances_to_head(start)
    trained = jax.tree.map(lambda distance: distance != FROZEN, distances)
    scales = jax.tree.map(lambda distance: start.layer_decay**distance, distances)
    return optax.chain(
        optax.multi_transform({True: optimizer, False: optax.set_to_zero()}, trained),
        optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, scales)),
    )


def distances_to_head(start: PretrainedStart) -> Any:
    """Counts for each parameter the blocks from its own up to the head; `FROZEN` if not trained.

    For layers before the blocks it is one more than the number of blocks.

    Raises:
      UserError: a layer is neither a block nor known to come before or after the blocks.
    """
    params = start.variables["params"]
    numbers = [number for number in map(block_number, params) if number is not None]
    num_blocks = max(numbers, default=-1) + 1

    def distance(path: tuple[Any, ...], _: jax.Array) -> int:
        name = path[0].key
        if name in AFTER_BLOCKS:
            return 0
        block = -1 if name in BEFORE_BLOCKS else block_number(name)
        if block is None:
            raise UserError(
                f"The layer {name} is neither a block nor known to come before or after the "
                "blocks, so its learning rate is unknown: name it in jaxdl.training.layers."
            )
        return FROZEN if block < start.frozen_blocks and start.frozen_blocks else num_blocks - block

    return jax.tree_util.tree_map_with_path(distance, params)
