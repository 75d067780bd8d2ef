"""Measures the peak FLOP/s of this machine by a matrix product that is large enough."""

import jax
import jax.numpy as jnp

from experiments.benchmark.workloads import Arrays, Precision, Workload

SIDE = {"cpu": 2048, "gpu": 8192, "tpu": 8192}


class MatrixProduct:
    """Multiplies two square matrices in its train step."""

    parameters = 0

    def __init__(self, workload: Workload, data: Arrays, batch_size: int, precision: Precision):
        """Makes the matrix in the given precision; the other arguments have no effect."""
        del workload, data, batch_size
        side = SIDE[jax.default_backend()]
        self.flops_per_example = 2 * side**3
        self._matrix = jax.random.normal(jax.random.key(0), (side, side), jnp.dtype(precision))
        self._multiply = jax.jit(jnp.dot)

    def train(self, steps: int) -> None:
        """Computes a number of products and waits for the last."""
        for _ in range(steps):
            product = self._multiply(self._matrix, self._matrix)
        jax.block_until_ready(product)

    def predict(self) -> None:
        """Computes one product."""
        self.train(1)
