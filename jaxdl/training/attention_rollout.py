"""Where in an image a Vision Transformer looks."""

from collections.abc import Sequence

import numpy as np


def attention_rollout(attention: Sequence[np.ndarray], has_token: bool) -> np.ndarray:
    """How much of each patch reaches the end of the encoder.

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3: in each
    block a token is half itself and half what it attends to, mean over the heads.

    Args:
      attention: for each block, float (examples, heads, tokens, tokens), rows sum to 1.
      has_token: whether the first token is the one that is read, or else all are averaged.

    Returns:
      float (examples, patches), rows sum to 1.
    """
    tokens = attention[0].shape[-1]
    flow = np.broadcast_to(np.eye(tokens), (len(attention[0]), tokens, tokens))
    for weights in attention:
        flow = (0.5 * np.eye(tokens) + 0.5 * weights.mean(1)) @ flow
    if not has_token:
        return flow.mean(1)
    of_patches = flow[:, 0, 1:]
    return of_patches / of_patches.sum(1, keepdims=True)
