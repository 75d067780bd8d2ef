"""Grain, which reads in threads or in processes; it decodes and crops as we do."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grain
import numpy as np
from absl import flags

from experiments.benchmark.our_pipeline import SMALLEST_CROP
from experiments.benchmark.workloads import Arrays, Precision, Workload
from jaxdl.data.crops import DRAWS, read_random_crop


class GrainPipeline:
    """See `experiments.benchmark.workloads.Pipeline`."""

    def __init__(
        self,
        workload: Workload,
        data: Arrays,
        batch_size: int,
        precision: Precision,
        in_processes: bool,
    ):
        """Builds the pipeline.

        Args:
          workload: the workload of reading pictures.
          data: "file" and "label".
          batch_size: number of examples in a batch.
          precision: has no effect.
          in_processes: whether processes read instead of threads.
        """
        files, labels = data["file"].tolist(), data["label"]
        read = partial(_read, files, labels, workload.input_shape[0])
        cores = int(os.environ["OMP_NUM_THREADS"])
        examples = grain.MapDataset.range(len(files)).seed(0).shuffle().repeat()
        batches = examples.random_map(read).batch(batch_size, drop_remainder=True)
        threads = 1 if in_processes else cores
        ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
        batches = batches.to_iter_dataset(ahead)
        if in_processes:
            flags.FLAGS.mark_as_parsed()  # Grain reads them; there are none
            batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=cores))
        self._batches: Iterator[Any] = iter(batches)

    def read(self, batches: int) -> None:
        """See `experiments.benchmark.workloads.Pipeline`."""
        for _ in range(batches):
            next(self._batches)


def _read(
    files: list[str], labels: np.ndarray, side: int, number: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
    image = read_random_crop(Path(files[number]), side, random.random(DRAWS), SMALLEST_CROP)
    return {"image": image, "label": labels[number]}


build_threads = partial(GrainPipeline, in_processes=False)
build_processes = partial(GrainPipeline, in_processes=True)
