"""Our streaming of pictures: the very batches that a training gets."""

import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from experiments.benchmark.ours import one_device
from experiments.benchmark.workloads import Arrays, Precision, Workload
from jaxdl.data.own.lazy import LazyImages
from jaxdl.nn.cpu.memory import keep_freed_memory
from jaxdl.training.epoch import epoch_order
from jaxdl.training.streaming import read_batches

SMALLEST_CROP = 0.08


class OurPipeline:
    """See `experiments.benchmark.workloads.Pipeline`."""

    def __init__(self, workload: Workload, data: Arrays, batch_size: int, precision: Precision):
        """Opens no file yet."""
        keep_freed_memory()  # as a training on CPU does
        files = [Path(file) for file in data["file"]]
        images = LazyImages(files, np.arange(len(files)), workload.input_shape[0], "")
        images = images.with_random_crops(SMALLEST_CROP, seed=0)
        self._split = {"image": images, "label": data["label"]}
        self._batch_size = batch_size
        self._batches = self._read_epochs()

    def read(self, batches: int) -> None:
        """See `experiments.benchmark.workloads.Pipeline`."""
        for _ in range(batches):
            jax.block_until_ready(next(self._batches))

    def _read_epochs(self) -> Iterator[dict[str, jax.Array]]:
        epoch, examples = 0, len(self._split["label"])
        while True:
            order = np.asarray(epoch_order(0, np.int32(epoch), examples))
            yield from read_batches(self._split, order, epoch, self._batch_size, one_device())
            epoch += 1


def build_without_the_extra(
    workload: Workload, data: Arrays, batch_size: int, precision: Precision
) -> OurPipeline:
    """Returns the pipeline as it is without the extra `pictures`: Pillow decodes."""
    sys.modules["simplejpeg"] = None
    return OurPipeline(workload, data, batch_size, precision)
