"""How stored examples become the inputs of a model, in training and in prediction."""

import dataclasses
from collections.abc import Callable

import jax

Batch = dict[str, jax.Array]
ModelInputs = tuple[jax.Array, ...]
MixLabels = Callable[[jax.Array], jax.Array]
Mix = Callable[[ModelInputs, jax.Array], tuple[ModelInputs, MixLabels]]

NOT_INPUTS = ("label", "index", "epoch")


def arrays_as_inputs(batch: Batch) -> ModelInputs:
    """Passes all features of a batch to the model as they are, in alphabetical order."""
    return tuple(batch[name] for name in sorted(batch) if name not in NOT_INPUTS)


def no_mixing(inputs: ModelInputs, key: jax.Array) -> tuple[ModelInputs, MixLabels]:
    """Leaves inputs and labels as they are."""
    del key
    return inputs, lambda labels: labels


@dataclasses.dataclass(frozen=True)
class InputPipeline:
    """Pure functions from a batch of stored examples to the inputs of a model.

    A batch has the features of the split, (batch, ...), and in training "index" and "epoch", both
    int32 (batch,), which say where the examples come from.

    Attributes:
      preprocess: ``preprocess(batch)`` gives the inputs for prediction.
      augment: ``augment(batch, key)`` gives the inputs for training; None for ``preprocess``.
      mix: ``mix(inputs, key)`` mixes the inputs of a batch with each other; it returns them and a
        function that mixes label distributions (batch, classes) likewise.
      test_time: more functions like ``preprocess``, for test-time augmentation: the logits of all
        of them are averaged.
      lengths: to which texts may be cut, see `jaxdl.training.texts`; empty for no cutting.
      predict_batch_size: number of examples that are predicted at once.
    """

    preprocess: Callable[[Batch], ModelInputs] = arrays_as_inputs
    augment: Callable[[Batch, jax.Array], ModelInputs] | None = None
    mix: Mix = no_mixing
    test_time: tuple[Callable[[Batch], ModelInputs], ...] = ()
    lengths: tuple[int, ...] = ()
    predict_batch_size: int = 500

    def for_training(self, batch: Batch, key: jax.Array) -> ModelInputs:
        """The augmented inputs."""
        return self.augment(batch, key) if self.augment else self.preprocess(batch)
