"""The train state: everything that a step changes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from flax.training import train_state
from jax.sharding import Mesh

from jaxdl.nn.backend import is_cpu
from jaxdl.randomness import Purpose, key_for
from jaxdl.training.mesh import (
    constrain_state,
    device_put,
    make_mesh,
    replicated,
    with_gathered_params,
)

RUNS_ONCE = {"xla_backend_optimization_level": 1}
"""Makes XLA for CPU compile the random numbers of a ResNet-20 in 3 s instead of 12."""


class TrainState(train_state.TrainState):
    """Flax's TrainState with batch statistics and a moving average of the model.

    The statistics are averaged with the parameters: those of the last parameters do not suit the
    average of many. After an epoch of ResNet-8 on CIFAR-10 (decay 0.999) the average had a
    validation accuracy of 54.4 % with the last statistics, 63.5 % with averaged ones, 63.4 % with
    statistics computed again from the training split.

    Attributes:
      batch_stats: running statistics of BatchNorm; empty for a model without it.
      ema_variables: exponential moving average of "params" and "batch_stats"; None if it is off.
      ema_decay: share of the average that a step keeps; 0 turns it off.
    """

    batch_stats: Any
    ema_variables: Any
    ema_decay: float = struct.field(pytree_node=False)

    def apply_gradients(self, *, grads: Any, **changes: Any) -> "TrainState":
        """Makes an optimizer step; the decay of the average rises from 0.1 to ``ema_decay``."""
        state = super().apply_gradients(grads=grads, **changes)
        if not self.ema_decay:
            return state
        decay = jnp.minimum(self.ema_decay, (1.0 + self.step) / (10.0 + self.step))
        average = optax.incremental_update(state.last_variables, self.ema_variables, 1.0 - decay)
        return state.replace(ema_variables=average)

    @property
    def variables(self) -> dict[str, Any]:
        """The model as it is reported: the moving average if it is on."""
        return self.ema_variables if self.ema_decay else self.last_variables

    @property
    def last_variables(self) -> dict[str, Any]:
        """The model as the last step left it."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def create_train_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    inputs: Sequence[jax.ShapeDtypeStruct],
    seed: int,
    ema_decay: float = 0.0,
    mesh: Mesh | None = None,
    variables: Any = None,
    purpose: Purpose = Purpose.INIT,
) -> TrainState:
    """Initialises the model and the optimizer on the device, in one compiled call.

    Args:
      model: called as ``model.apply(variables, *inputs, train=...)``.
      optimizer: an Optax gradient transformation.
      inputs: shapes and dtypes of the model's inputs, for a batch of any size.
      seed: determines the initial parameters.
      ema_decay: share of the moving average that a step keeps, in [0, 1); 0 for no average.
      mesh: the devices over which the state is laid out; None for all devices, replicated.
      variables: initial variables of the model; None to draw them.
      purpose: purpose of the random key with which they are drawn.
    """
    mesh = mesh or make_mesh()
    # Only a program of its own may have options, and not a part of one that is being traced.
    is_part = isinstance(jnp.zeros(()), jax.core.Tracer)

    @partial(jax.jit, compiler_options=RUNS_ONCE if is_cpu(mesh) and not is_part else None)
    def create(seed: np.ndarray, variables: Any) -> TrainState:
        if variables is None:
            zeros = [jnp.zeros(array.shape, array.dtype) for array in inputs]
            variables = model.init(key_for(purpose, seed), *zeros, train=False)
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        state = TrainState.create(
            apply_fn=with_gathered_params(model.apply, mesh),
            params=params,
            tx=optimizer,
            batch_stats=batch_stats,
            ema_variables={"params": params, "batch_stats": batch_stats} if ema_decay else None,
            ema_decay=ema_decay,
        )
        return constrain_state(state, mesh)

    return create(np.uint32(seed), device_put(variables, replicated(mesh)))


def count_parameters(params: Any) -> int:
    """Counts trainable values."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
