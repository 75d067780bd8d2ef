"""Names of layers by which optimizers and fine-tuning treat parameters differently.

All modules of `jaxdl.models` follow them: the layer that gives the logits is `HEAD`, blocks are
``block_0``, ``block_1``, ..., or recurrent layers ``layer_0``, ``layer_0_reverse``, ..., and other
top-level layers and parameters of a network with blocks are in `BEFORE_BLOCKS` or `AFTER_BLOCKS`.
Muon needs only the head; fine-tuning with frozen blocks or layer-wise learning rates needs all of
them. Both refuse names that they do not know.
"""

import re
from typing import Any

from jaxdl.errors import UserError

HEAD = "head"
EMBEDDING = "embedding"
POOL = "pool"
RATIO_WEIGHTS = "ratio_weights"
BLOCK = re.compile(r"(?:block|layer)_(\d+)(?:_reverse)?$")
BEFORE_BLOCKS = {
    *(EMBEDDING, "embedding_norm", "positions", "token", "token_types", "ratios"),
    *("stem_conv", "stem_norm"),
}
AFTER_BLOCKS = {"norm", POOL, "pooler", RATIO_WEIGHTS, "dense_0", HEAD}

KERNEL = "kernel"
NOT_KERNELS = {"bias", "scale", "embedding", "positions", "token", "token_types"}
DECAYED = {KERNEL, "embedding"}
"""Names of the parameters that weight decay shrinks; all others are left alone."""


def block_number(layer: str) -> int | None:
    """Returns the number in a block's name, 3 for block_3 or layer_3; None for other layers."""
    match = BLOCK.fullmatch(layer)
    return int(match[1]) if match else None


def is_hidden_kernel(path: tuple[str, ...]) -> bool:
    """Whether a parameter is the kernel of a hidden layer.

    Args:
      path: names of the layers that contain it, outermost first, and its own name.

    Raises:
      UserError: the parameter's own name is not known.
    """
    *layers, name = path
    if name not in {KERNEL, *NOT_KERNELS}:
        raise UserError(
            f"Muon does not know whether the parameter {'/'.join(path)} is a matrix: name it "
            f"{KERNEL}, or one of {', '.join(sorted(NOT_KERNELS))}, or choose another optimizer."
        )
    return name == KERNEL and layers not in ([], [HEAD], [EMBEDDING], [POOL], [RATIO_WEIGHTS])


def require_head(params: Any) -> None:
    """Raises a UserError unless a top-level layer has the name of the one that gives the logits."""
    if HEAD not in params:
        raise UserError(
            f'No layer is named "{HEAD}", but {", ".join(params)}: name the layer that gives the '
            f'logits "{HEAD}", which is not trained like a hidden one, or choose another '
            "optimizer."
        )
