"""Where in an image a Vision Transformer looks."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def rollout_of_blocks(sown: Any, has_token: bool) -> np.ndarray:
    """`attention_rollout` of what the encoder blocks of a network have sown.

    Args:
      sown: the collection "intermediates", of images of a square of patches.
      has_token: as in `attention_rollout`.

    Returns:
      float (examples, rows, columns), each example sums to 1.
    """
    num_blocks = sum(name.startswith("EncoderBlock_") for name in sown)
    attention = [
        np.asarray(sown[f"EncoderBlock_{index}"]["SelfAttention_0"]["attention"][0])
        for index in range(num_blocks)
    ]
    rollout = attention_rollout(attention, has_token)
    side = math.isqrt(rollout.shape[-1])
    return rollout.reshape(-1, side, side)


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
