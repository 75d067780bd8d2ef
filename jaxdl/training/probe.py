"""A linear probe: a linear classifier on fixed features, fitted to its optimum."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl.console import progress

STEPS_PER_CALL = 10


def fit_linear_probe(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    penalty: float = 200.0,
    steps: int = 100,
) -> dict[str, np.ndarray]:
    """Fits a logistic regression by L-BFGS, as Radford et al. 2021 do (CLIP, appendix A.3).

    Args:
      features: float32 (examples, features).
      labels: int32 (examples,).
      num_classes: number of logits.
      penalty: half of it times the squared norm of the kernel, for features scaled to variance 1,
        is added to the sum of the cross-entropies.
      steps: number of L-BFGS steps, a multiple of `STEPS_PER_CALL`.

    Returns:
      "kernel", float32 (features, num_classes), and "bias", float32 (num_classes,), for features
      that are not scaled.
    """
    mean, std = features.mean(0), features.std(0) + 1e-6
    scaled = jnp.asarray((features - mean) / std)
    targets = jnp.asarray(labels)
    params = {
        "kernel": jnp.zeros((features.shape[1], num_classes)),
        "bias": jnp.zeros(num_classes),
    }
    optimizer = optax.lbfgs()

    def loss_fn(params: Any, scaled: jax.Array, targets: jax.Array) -> jax.Array:
        logits = scaled @ params["kernel"] + params["bias"]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return losses.mean() + penalty / 2 / len(targets) * jnp.sum(params["kernel"] ** 2)

    @jax.jit
    def advance(params: Any, state: Any, scaled: jax.Array, targets: jax.Array) -> tuple[Any, Any]:
        loss = partial(loss_fn, scaled=scaled, targets=targets)
        value_and_grad = optax.value_and_grad_from_state(loss)

        def step(carry: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
            params, state = carry
            value, grad = value_and_grad(params, state=state)
            updates, state = optimizer.update(
                grad, state, params, value=value, grad=grad, value_fn=loss
            )
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, (params, state), length=STEPS_PER_CALL)[0]

    state = optimizer.init(params)
    with progress("fitting the linear probe", steps) as show:
        for done in range(0, steps, STEPS_PER_CALL):
            params, state = advance(params, state, scaled, targets)
            show(done + STEPS_PER_CALL, "")
    kernel = np.asarray(params["kernel"]) / std[:, None]
    return {"kernel": kernel, "bias": np.asarray(params["bias"]) - mean @ kernel}
