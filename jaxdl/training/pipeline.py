"""How stored examples become the inputs of a model, in training and in prediction."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

Batch = dict[str, jax.Array]
ModelInputs = tuple[jax.Array, ...]
MixLabels = Callable[[jax.Array], jax.Array]
Mix = Callable[[ModelInputs, jax.Array], tuple[ModelInputs, MixLabels]]


def no_mixing(inputs: ModelInputs, key: jax.Array) -> tuple[ModelInputs, MixLabels]:
    """Leaves inputs and labels as they are."""
    del key
    return inputs, lambda labels: labels


@dataclasses.dataclass(frozen=True)
class InputPipeline:
    """Pure functions from a batch of stored examples to the inputs of a model.

    A batch has the features of the split, (batch, ...), and in training "index" and "epoch", both
    int32 (batch,), which say where the examples come from. Inputs are a tuple of arrays, the
    positional arguments of the model.

    Attributes:
      preprocess: ``preprocess(batch)`` gives the inputs for prediction.
      augment: ``augment(batch, key)`` gives the inputs for training; None for ``preprocess``.
      mix: ``mix(inputs, key)`` mixes the inputs of a batch with each other; it returns them and a
        function that mixes label distributions (batch, classes) in the same way.
      test_time: more functions like ``preprocess``, for test-time augmentation: the logits of all
        of them are averaged.
      lengths: lengths to which texts may be cut, see `jaxdl.training.text_batches`; () for no cuts.
      predict_batch_size: number of examples that are predicted at once.
      perturbation: relative size of the perturbation of texts in training, see
        `jaxdl.training.perturbation`; 0 for none.
    """

    preprocess: Callable[[Batch], ModelInputs]
    augment: Callable[[Batch, jax.Array], ModelInputs] | None = None
    mix: Mix = no_mixing
    test_time: tuple[Callable[[Batch], ModelInputs], ...] = ()
    lengths: tuple[int, ...] = ()
    predict_batch_size: int = 500
    perturbation: float = 0.0

    def for_training(self, batch: Batch, key: jax.Array) -> ModelInputs:
        """Returns the augmented inputs.

        Raises:
          TypeError: they are not a tuple.
        """
        inputs = self.augment(batch, key) if self.augment else self.preprocess(batch)
        if not isinstance(inputs, tuple):
            raise TypeError(f"The inputs must be a tuple of arrays, but are {type(inputs)}.")
        return inputs


def features_as_inputs(split: Mapping[str, Any]) -> InputPipeline:
    """Builds a pipeline that passes the features of a split, except "label", as they are.

    The model gets them in the order in which the split has them.
    """
    names = [name for name in split if name != "label"]
    return InputPipeline(preprocess=lambda batch: tuple(batch[name] for name in names))
