"""A linear probe: a linear classifier on fixed features, fitted to its optimum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.training.lbfgs import minimise

STEPS = 100


def fit_linear_probe(
    features: np.ndarray, labels: np.ndarray, num_classes: int, penalty: float = 200.0
) -> dict[str, np.ndarray]:
    """Fits a logistic regression by L-BFGS, as Radford et al. 2021 do (CLIP, appendix A.3).

    Args:
      features: float32 (examples, features).
      labels: int32 (examples,).
      num_classes: number of logits.
      penalty: half of it times the squared norm of the kernel, for features scaled to variance 1,
        is added to the sum of the cross-entropies.

    Returns:
      "kernel", float32 (features, num_classes), and "bias", float32 (num_classes,), for unscaled
      features.
    """
    mean, std = features.mean(0), features.std(0) + 1e-6
    scaled = jnp.asarray((features - mean) / std)
    targets = jnp.asarray(labels)
    params = {"kernel": jnp.zeros((features.shape[1], num_classes)), "bias": jnp.zeros(num_classes)}

    def loss_fn(params: Any, scaled: jax.Array, targets: jax.Array) -> jax.Array:
        logits = scaled @ params["kernel"] + params["bias"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.mean() + penalty / 2 / len(targets) * jnp.sum(params["kernel"] ** 2)

    params = minimise(loss_fn, params, (scaled, targets), STEPS, "fitting the linear probe")
    kernel = np.asarray(params["kernel"]) / std[:, None]
    return {"kernel": kernel, "bias": np.asarray(params["bias"]) - mean @ kernel}
