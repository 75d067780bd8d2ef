"""Texts as inputs: tokens with padding, and batches that have little of it.

Texts of about the same length share a batch, and a batch is cut to its longest text: of reviews
of up to 512 tokens, an average batch then has 292.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdl.training.pipeline import Batch, InputPipeline, ModelInputs
from jaxdl.training.prediction import Predict

Array = TypeVar("Array", np.ndarray, jax.Array)

RATIOS = "ratios"
OVER_TIME = {"tokens", RATIOS}
BATCHES_SORTED = 50
CUT = 64


def preprocess_tokens(batch: Batch) -> ModelInputs:
    """Selects the inputs of a text model: tokens int32 (batch, time), lengths int32 (batch,).

    Training texts whose n-grams were counted for the model come with "ratios" of their own, see
    `jaxdl.training.ngrams.out_of_fold_ratios`.
    """
    ratios = (batch[RATIOS],) if RATIOS in batch else ()
    return batch["tokens"], batch["length"], *ratios


def cut_text_pipeline(longest: int, **fields: Any) -> InputPipeline:
    """Builds a pipeline for texts that are cut to one of the lengths of `lengths_up_to`.

    Args:
      longest: number of tokens of the longest texts.
      fields: other fields of `InputPipeline`.
    """
    return InputPipeline(preprocess_tokens, lengths=lengths_up_to(longest), **fields)


def lengths_up_to(longest: int) -> tuple[int, ...]:
    """Returns the lengths to which texts of up to ``longest`` tokens are cut.

    They are multiples of 64, and ``longest``. Since each is compiled separately, the longer they
    are, the further apart.
    """
    lengths = [CUT]
    while lengths[-1] < longest:
        lengths.append(lengths[-1] + CUT * -(-lengths[-1] // (4 * CUT)))
    return (*lengths[:-1], longest)


def group_by_length(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, random: np.random.Generator
) -> np.ndarray:
    """Reorders examples so that those of a batch are of about the same length.

    Examples are sorted within 50 batches at a time, not within all, so that an example meets
    different ones in every epoch; the batches are then shuffled.

    Args:
      order: int32 (examples,), the shuffled indices of the examples.
      lengths: int (examples,), by the index of the example.
      batch_size: number of examples in a batch; an incomplete batch is left out.
      random: shuffles the batches.

    Returns:
      int32 (batches * batch_size,).
    """
    num_batches = len(order) // batch_size
    complete = order[: num_batches * batch_size]
    portions = [
        portion[np.argsort(lengths[portion], kind="stable")]
        for portion in np.split(complete, range(0, len(complete), BATCHES_SORTED * batch_size)[1:])
    ]
    batches = np.concatenate(portions).reshape(num_batches, batch_size)
    return random.permutation(batches).reshape(-1)


def cut(batch: dict[str, Array], length: int) -> dict[str, Array]:
    """Cuts the arrays that have an entry for each token of a text to ``length`` tokens."""
    return batch | {name: batch[name][:, :length] for name in OVER_TIME & batch.keys()}


def cut_to_longest(step: Any, lengths: Sequence[int]) -> Any:
    """Wraps a train step so that it does not compute the padding that all texts of a batch have.

    Args:
      step: a train step on batches with "tokens" (batch, time) and their "length" (batch,).
      lengths: lengths to which texts may be cut, in increasing order; the last is the longest.
    """

    def step_of(length: int) -> Any:
        return lambda state, batch, key: step(state, cut(batch, length), key)

    def cut_step(state: Any, batch: dict[str, jax.Array], key: jax.Array) -> Any:
        shortest = jnp.searchsorted(jnp.array(lengths), batch["length"].max())
        return lax.switch(shortest, [step_of(length) for length in lengths], state, batch, key)

    return cut_step


def predict_by_length(predict: Predict, lengths: Sequence[int]) -> Predict:
    """Wraps a prediction so that texts of about the same length are predicted together.

    Args:
      predict: from `jaxdl.training.prediction.make_predict`, on examples with "tokens"
        (examples, time) and "length".
      lengths: lengths to which texts may be cut, in increasing order; the last is the longest.
    """

    def predict_all(variables: Any, split: dict[str, np.ndarray], description: str = "") -> Any:
        shortest = np.searchsorted(lengths, split["length"])
        parts, origins = [], []
        for number in sorted({*shortest}) or [0]:
            chosen = np.flatnonzero(shortest == number)
            part = {name: array[chosen] for name, array in split.items()}
            part = cut(part, lengths[number])
            up_to = description and f"{description}, texts of up to {lengths[number]} tokens"
            parts.append(predict(variables, part, up_to))
            origins.append(chosen)
        back = np.argsort(np.concatenate(origins))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays)[back], *parts)

    return predict_all
