"""Floor 0: the few layers that models share, each in the form that is fast on its backend."""

from jaxdl.nn.attention import attend
from jaxdl.nn.convolution import NHWC, Conv, convolve, convolve_transposed
from jaxdl.nn.dense import Dense, DenseGeneral
from jaxdl.nn.initialisation import default_kernel_init, with_flat_window
from jaxdl.nn.pooling import max_pool
from jaxdl.nn.recurrence import CELLS, recurrence

__all__ = [
    "CELLS",
    "NHWC",
    "Conv",
    "Dense",
    "DenseGeneral",
    "attend",
    "convolve",
    "convolve_transposed",
    "default_kernel_init",
    "max_pool",
    "recurrence",
    "with_flat_window",
]
