"""Attention rollout: which parts of an image a Vision Transformer attends to."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def rollout_of_blocks(sown: Any, has_token: bool) -> np.ndarray:
    """Computes `attention_rollout` from the attention that encoder blocks have sown.

    Args:
      sown: the collection "intermediates" of images with as many rows of patches as columns: the
        layers ``block_0``, ``block_1``, ..., and "pooling" if the patches are pooled by weights.
      has_token: as in `attention_rollout`.

    Returns:
      float (examples, rows, columns); each example sums to 1.
    """
    num_blocks = sum(name.startswith("block_") for name in sown)
    attention = [
        np.asarray(sown[f"block_{index}"]["attention"]["attention"][0])
        for index in range(num_blocks)
    ]
    pooling = np.asarray(sown["pooling"][0]) if "pooling" in sown else None
    rollout = attention_rollout(attention, has_token, pooling)
    side = math.isqrt(rollout.shape[-1])
    return rollout.reshape(-1, side, side)


def attention_rollout(
    attention: Sequence[np.ndarray], has_token: bool, pooling: np.ndarray | None = None
) -> np.ndarray:
    """Computes how much each patch contributes to the output of the encoder.

    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3: in each
    block a token is half itself and half what it attends to, averaged over the heads.

    Args:
      attention: for each block, float (examples, heads, tokens, tokens); rows sum to 1.
      has_token: whether the first token is classified; otherwise the mean of all patches is.
      pooling: weights of the patches in that mean, float (examples, tokens); None for equal ones.

    Returns:
      float (examples, patches); rows sum to 1.
    """
    tokens = attention[0].shape[-1]
    flow = np.broadcast_to(np.eye(tokens), (len(attention[0]), tokens, tokens))
    for weights in attention:
        flow = (0.5 * np.eye(tokens) + 0.5 * weights.mean(1)) @ flow
    if not has_token:
        return flow.mean(1) if pooling is None else np.einsum("et,ets->es", pooling, flow)
    of_patches = flow[:, 0, 1:]
    return of_patches / of_patches.sum(1, keepdims=True)
