"""Training that begins with a trained model, and changes it the less the deeper a layer lies."""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import optax

BLOCK = re.compile(r"Block_(\d+)$")
FROZEN = -1


@dataclasses.dataclass(frozen=True)
class Start:
    """What to begin with, and how freely it may change.

    Attributes:
      variables: of the model; as they are saved, "params" and "batch_stats".
      layer_decay: learning rate of a block, as a share of that of the block after it; the
        head has that of the options (discriminative fine-tuning: Howard and Ruder 2018,
        section 3.2).
      frozen_blocks: so many of the first blocks, and all that comes before them, stay as they are.
      last: names of the layers after the last block: head and last normalisation.
    """

    variables: Any
    layer_decay: float = 1.0
    frozen_blocks: int = 0
    last: tuple[str, ...] = ("Dense_0", "pooler", "LayerNorm_0")


def discriminate(
    optimizer: optax.GradientTransformation, start: Start
) -> optax.GradientTransformation:
    """The optimizer, with a smaller learning rate for each layer that is further from the head.

    Frozen layers have no state of the optimizer, and nothing needs their gradients.
    """
    distances = distances_to_head(start)
    trained = jax.tree.map(lambda distance: distance != FROZEN, distances)
    scales = jax.tree.map(lambda distance: start.layer_decay**distance, distances)
    return optax.chain(
        optax.multi_transform({True: optimizer, False: optax.set_to_zero()}, trained),
        optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, scales)),
    )


def distances_to_head(start: Start) -> Any:
    """For each parameter the number of blocks up to the head, its own included, or FROZEN."""
    params = start.variables["params"]
    numbers = [int(match[1]) for match in map(BLOCK.search, params) if match]
    num_blocks = max(numbers, default=-1) + 1

    def distance(path: tuple[Any, ...], _: jax.Array) -> int:
        name = path[0].key
        if name in start.last:
            return 0
        match = BLOCK.search(name)
        block = int(match[1]) if match else -1
        return FROZEN if block < start.frozen_blocks and start.frozen_blocks else num_blocks - block

    return jax.tree_util.tree_map_with_path(distance, params)
