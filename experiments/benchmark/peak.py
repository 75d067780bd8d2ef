"""Measures the peak FLOP/s of this machine by a matrix product that is large enough."""

from functools import partial

import jax

from experiments.benchmark.workloads import Arrays, Precision, Workload
from jaxdl.nn.dense import multiply
from jaxdl.training.precision import dtype_of, with_products

SIDE = {"cpu": 2048, "gpu": 8192, "tpu": 8192}


class MatrixProduct:
    """Multiplies two square matrices in its train step."""

    def __init__(self, workload: Workload, data: Arrays, batch_size: int, precision: Precision):
        """Makes the matrix in the given precision; the other arguments have no effect."""
        del workload, data, batch_size
        side = SIDE[jax.default_backend()]
        self.flops_per_example = 2 * side**3
        key, dtype = jax.random.key(0), dtype_of(precision)
        self._matrix = jax.random.normal(key, (side, side), dtype)
        product = partial(multiply, dimension_numbers=(((1,), (0,)), ((), ())))
        self._multiply = jax.jit(with_products(product, precision))

    def train(self, steps: int) -> None:
        """Computes a number of products and waits for the last."""
        for _ in range(steps):
            product = self._multiply(self._matrix, self._matrix)
        jax.block_until_ready(product)
