"""The most arithmetic that this machine does: a matrix product, large enough to fill it."""

import jax
import jax.numpy as jnp

from experiments.benchmark.workloads import Arrays, Precision, Workload

SIDE = {"cpu": 2048, "gpu": 8192, "tpu": 8192}


class MatrixProduct:
    """A contestant whose train step is a product of two square matrices."""

    parameters = 0

    def __init__(self, workload: Workload, data: Arrays, batch_size: int, precision: Precision):
        """Makes the matrices and compiles the product; only the precision counts."""
        del workload, data, batch_size
        side = SIDE[jax.default_backend()]
        self.flops_per_example = 2 * side**3
        self._matrix = jax.random.normal(jax.random.key(0), (side, side), jnp.dtype(precision))
        self._multiply = jax.jit(jnp.dot)

    def train(self, steps: int) -> None:
        """Makes so many products and waits for the last."""
        for _ in range(steps):
            product = self._multiply(self._matrix, self._matrix)
        jax.block_until_ready(product)

    def predict(self) -> None:
        """Makes one product."""
        self.train(1)
