"""Floor 0: the few layers the models share, each in the form that is fast on its backend."""

from jaxdl.nn.convolution import convolve
from jaxdl.nn.pooling import max_pool
from jaxdl.nn.recurrence import CELLS, recurrence

__all__ = ["CELLS", "convolve", "max_pool", "recurrence"]
