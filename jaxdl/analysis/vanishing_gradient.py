"""The vanishing gradient: from how far back in time a recurrent layer can learn."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.models.rnn import CellName, RecurrentLayer
from jaxdl.randomness import Purpose, key_for


def gradient_norms(
    cell: CellName, features: int, distance: int, seed: int, variables: dict | None = None
) -> np.ndarray:
    """Computes the norm of the gradient of the last hidden state with respect to each input.

    After Bengio, Simard and Frasconi 1994, "Learning Long-Term Dependencies with Gradient
    Descent is Difficult". The inputs are random with unit variance.

    Args:
      cell: "simple", "lstm" or "gru".
      features: width of the hidden state.
      distance: number of time steps to look back.
      seed: random seed of the inputs, of an untrained layer, and of the direction in which the
        last hidden state changes.
      variables: variables of a trained layer; None for an untrained one.

    Returns:
      float32 (distance,), the last input first, averaged over 32 sequences.
    """
    layer = RecurrentLayer(cell, features)
    key = key_for(Purpose.GRADIENT_NORMS, seed)
    input_key, direction_key, init_key = jax.random.split(key, 3)
    size = features if variables is None else variables["params"]["input"]["kernel"].shape[0]
    inputs = jax.random.normal(input_key, (distance, 32, size))
    mask = jnp.ones((distance, 32), bool)
    if variables is None:
        variables = layer.init(init_key, inputs, mask)
    direction = jax.random.normal(direction_key, (32, features))

    def change(inputs: jax.Array) -> jax.Array:
        return (layer.apply(variables, inputs, mask)[-1] * direction).sum()

    gradients = jax.jit(jax.grad(change))(inputs)
    return np.asarray(jnp.linalg.norm(gradients, axis=-1).mean(-1)[::-1])
