"""Optimizers and learning-rate schedules of the experiments, from Optax."""

from typing import Any, Literal

import jax
import optax
from optax import contrib

from jaxdl.training.layers import DECAYED, is_hidden_kernel, require_head

ScheduleName = Literal["cosine", "linear", "constant"]
OptimizerName = Literal["adamw", "adam", "sgd", "muon"]
MOMENTUM = 0.9
RMS_OF_ADAM = 0.2


def learning_rate_schedule(
    name: ScheduleName, peak: float, total_steps: int, warmup_fraction: float
) -> optax.Schedule:
    """Builds the learning rate by step.

    Args:
      name: "cosine" climbs linearly from a 25th of the peak to the peak, and decays to zero along
        half a cosine (Loshchilov and Hutter 2016, section 3); "linear" climbs likewise, and decays
        along a line (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds"); "constant" stays at the peak.
      peak: the largest learning rate.
      total_steps: at which the learning rate reaches zero.
      warmup_fraction: fraction of the steps in which the learning rate climbs, in [0, 1).
    """
    warmup_steps = min(round(warmup_fraction * total_steps), total_steps - 1)
    if name == "cosine":
        return optax.warmup_cosine_decay_schedule(
            init_value=peak / 25,
            peak_value=peak,
            warmup_steps=warmup_steps,
            decay_steps=total_steps,
        )
    if name == "linear":
        climb = optax.linear_schedule(peak / 25, peak, warmup_steps)
        decay = optax.linear_schedule(peak, 0.0, total_steps - warmup_steps)
        return optax.join_schedules([climb, decay], [warmup_steps])
    if name == "constant":
        return optax.constant_schedule(peak)
    raise ValueError(f"there is no schedule {name!r}")


def build_optimizer(
    name: OptimizerName,
    learning_rate: optax.Schedule,
    weight_decay: float = 0.0,
    gradient_clip: float = 0.0,
    b1: float = 0.9,
) -> optax.GradientTransformation:
    """Builds an optimizer.

    Args:
      name: "adam" (Kingma and Ba 2014); "adamw" (Loshchilov and Hutter 2017); "sgd" with
        Nesterov momentum and the weight decay as part of the gradient (Sutskever et al. 2013,
        section 2); "muon" updates each hidden matrix by the nearest orthogonal matrix of its
        momentum (Jordan et al. 2024), scaled to the RMS of Adam's updates (Liu et al. 2025, "Muon
        is Scalable for LLM Training", section 2.2), and all other parameters by Adam with
        Nesterov momentum.
      learning_rate: by step.
      weight_decay: on the parameters named in `DECAYED`; not for "adam", and for "muon" only on
        the hidden matrices.
      gradient_clip: largest global norm of the gradients; 0 for no limit.
      b1: of Adam, decay of the average of past gradients.
    """
    if name == "adam":
        optimizer = optax.adam(learning_rate, b1=b1)
    elif name == "adamw":
        optimizer = optax.adamw(learning_rate, b1=b1, weight_decay=weight_decay, mask=is_decayed)
    elif name == "muon":
        optimizer = contrib.muon(
            learning_rate,
            weight_decay=weight_decay,
            adam_b1=b1,
            muon_weight_dimension_numbers=hidden_matrices,
            consistent_rms=RMS_OF_ADAM,
        )
    elif name == "sgd":
        optimizer = optax.chain(
            optax.add_decayed_weights(weight_decay, mask=is_decayed),
            optax.sgd(learning_rate, MOMENTUM, nesterov=True),
        )
    else:
        raise ValueError(f"there is no optimizer {name!r}")
    if gradient_clip:
        return optax.chain(optax.clip_by_global_norm(gradient_clip), optimizer)
    return optimizer


def is_decayed(params: Any) -> Any:
    """Tells for each parameter, by its name, whether weight decay shrinks it."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key in DECAYED, params)


def hidden_matrices(params: Any) -> Any:
    """Tells for each parameter which of its axes Muon takes as rows and columns of a matrix.

    These are the kernels of hidden layers. The axes of a kernel before the last are those that
    it contracts; queries, keys and values have a matrix each. None for the parameters that Adam
    updates: vectors, tables, and the kernels of the embedding, of the head, and of the scores by
    which tokens are pooled. The convolutions of an embedding are hidden layers.

    Raises:
      UserError: no layer is named as the head, or a parameter has a name that is not known.
    """
    require_head(params)

    def axes_of(path: tuple[Any, ...], leaf: jax.Array) -> contrib.MuonDimensionNumbers | None:
        names = tuple(entry.key for entry in path)
        if not is_hidden_kernel(names):
            return None
        if names[-2] == "query_key_value":
            return contrib.MuonDimensionNumbers(reduction_axis=(0,), output_axis=(2, 3))
        last = leaf.ndim - 1
        return contrib.MuonDimensionNumbers(tuple(range(last)), (last,))

    return jax.tree_util.tree_map_with_path(axes_of, params)
