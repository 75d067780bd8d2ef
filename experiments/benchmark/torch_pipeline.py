"""torchvision's ImageFolder and PyTorch's DataLoader, used as in the references for ImageNet."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from experiments.benchmark.workloads import Arrays, Precision, Workload


class TorchPipeline:
    """See `experiments.benchmark.workloads.Pipeline`."""

    def __init__(
        self,
        workload: Workload,
        data: Arrays,
        batch_size: int,
        precision: Precision,
        loader: Callable[[str], Any],
    ):
        """Starts a worker process for each core.

        Args:
          workload: the workload of reading pictures.
          data: "file" and "label".
          batch_size: number of examples in a batch.
          precision: has no effect.
          loader: reads a file as a Pillow image or as a tensor.
        """
        crop = v2.RandomResizedCrop(workload.input_shape[0], antialias=True)
        transform = v2.Compose([crop, v2.ToImage()])
        folder = Path(str(data["file"][0])).parent.parent
        self._loader = DataLoader(
            ImageFolder(folder, transform, loader=loader),
            batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=torch.get_num_threads(),
            persistent_workers=True,
        )
        self._batches = self._read_epochs()

    def read(self, batches: int) -> None:
        """See `experiments.benchmark.workloads.Pipeline`."""
        for _ in range(batches):
            images, _ = next(self._batches)
            assert images.dtype == torch.uint8

    def _read_epochs(self) -> Iterator[Any]:
        while True:
            yield from self._loader


def decode(path: str) -> torch.Tensor:
    """Decodes a file to a tensor, on which the transforms are faster than on a Pillow image."""
    content = torch.from_numpy(np.fromfile(path, np.uint8))
    return decode_image(content, ImageReadMode.RGB)


build_pillow = partial(TorchPipeline, loader=default_loader)
build_tensors = partial(TorchPipeline, loader=decode)
