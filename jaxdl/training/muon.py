"""Muon (Jordan et al. 2024), which orthogonalises all matrices of one shape at once.

A network has many matrices of few shapes. Orthogonalised one after the other, they launch many
small kernels on a GPU: compiled for an H200, a train step of a ViT with six blocks had 1,086
kernels, and 549 with all matrices of one shape in one batch.
"""

import collections
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.training.layers import is_hidden_kernel, require_head

MOMENTUM = 0.95
RMS_OF_ADAM = 0.2
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of Jordan's quintic iteration: five steps bring all singular values near 1."""
ITERATIONS = 5
EPSILON = 1e-8


def muon(
    learning_rate: optax.Schedule, weight_decay: float, b1: float
) -> optax.GradientTransformation:
    """Builds the optimizer.

    The kernels of hidden layers are updated by their Nesterov momentum, made orthogonal and scaled
    to the RMS of Adam's updates (Liu et al. 2025, "Muon is Scalable for LLM Training", section
    2.2). All other parameters are updated by Adam with Nesterov momentum: vectors, tables, and the
    kernels of the embedding, of the head, and of the layers that compute scores or weights for
    pooling tokens. The convolutions of an embedding are hidden layers.

    Args:
      learning_rate: learning-rate schedule.
      weight_decay: weight decay on the kernels of hidden layers; other parameters have none.
      b1: decay of Adam's average of past gradients.
    """
    of_matrices = optax.chain(
        optax.trace(MOMENTUM, nesterov=True),
        orthogonalise_updates(),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )
    of_others = optax.adam(learning_rate, b1=b1, nesterov=True)
    return optax.partition({True: of_matrices, False: of_others}, hidden_kernels)


def hidden_kernels(params: Any) -> Any:
    """Tells for each parameter whether it is the kernel of a hidden layer.

    Raises:
      UserError: no layer is named as the head, or a parameter has a name that is not known.
    """
    require_head(params)
    return jax.tree_util.tree_map_with_path(lambda path, _: is_hidden_kernel(_names(path)), params)


def orthogonalise_updates() -> optax.GradientTransformation:
    """Replaces each update by a nearly orthogonal matrix with the RMS of Adam's updates."""

    def update(updates: Any, params: Any = None) -> Any:
        del params
        found, structure = jax.tree_util.tree_flatten_with_path(updates)
        matrices = [_as_matrices(path, leaf) for path, leaf in found]
        changed = {}
        groups = collections.defaultdict(list)
        for number, stack in enumerate(matrices):
            groups[tuple(sorted(stack.shape[1:]))].append(number)
        for (rows, columns), members in groups.items():
            wide = [_with_few_rows(matrices[number]) for number in members]
            orthogonal = orthogonalise(jnp.concatenate(wide)) * columns**0.5 * RMS_OF_ADAM
            ends = np.cumsum([len(stack) for stack in wide])[:-1]
            for number, part in zip(members, jnp.split(orthogonal, ends), strict=True):
                is_wide = matrices[number].shape[1] == rows
                changed[number] = part if is_wide else part.swapaxes(1, 2)
        leaves = [
            _from_matrices(path, leaf.shape, changed[number])
            for number, (path, leaf) in enumerate(found)
        ]
        return jax.tree_util.tree_unflatten(structure, leaves)

    return optax.stateless(update)


def orthogonalise(matrices: jax.Array) -> jax.Array:
    """Makes all singular values of matrices nearly 1 by Newton-Schulz iterations.

    Args:
      matrices: (count, rows, columns), with as many columns as rows or more.
    """
    first, third, fifth = COEFFICIENTS
    x = matrices / (jnp.linalg.norm(matrices, axis=(1, 2), keepdims=True) + EPSILON)
    for _ in range(ITERATIONS):
        squares = x @ x.swapaxes(1, 2)
        x = first * x + (third * squares + fifth * squares @ squares) @ x
    return x


def _names(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(entry.key for entry in path)


def _as_matrices(path: tuple[Any, ...], kernel: jax.Array) -> jax.Array:
    """Reshapes a kernel to (count, inputs, outputs); queries, keys and values are a matrix each."""
    if _names(path)[-2] == "query_key_value":
        inputs, count = kernel.shape[:2]
        return kernel.reshape(inputs, count, -1).swapaxes(0, 1)
    return kernel.reshape(1, -1, kernel.shape[-1])


def _from_matrices(path: tuple[Any, ...], shape: tuple[int, ...], matrices: jax.Array) -> jax.Array:
    """Reverses `_as_matrices`."""
    if _names(path)[-2] == "query_key_value":
        matrices = matrices.swapaxes(0, 1)
    return matrices.reshape(shape)


def _with_few_rows(matrices: jax.Array) -> jax.Array:
    rows, columns = matrices.shape[1:]
    return matrices if rows <= columns else matrices.swapaxes(1, 2)
