"""The command-line options of `experiments.compile`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.registry import FROM_SCRATCH
from jaxdl.analysis.roofline import GPUS, TPUS, Chip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to compile, and for which accelerator."""

    for_: Annotated[str, tyro.conf.arg(name="for", metavar="TARGET")] = "v5e:2x2"
    """TPUs by kind and number in each direction; or a GPU, such as h200 or t4; h100:8 for eight."""
    experiments: tuple[Literal[*FROM_SCRATCH], ...] = FROM_SCRATCH
    """Experiments to compile."""
    preset: str = "default"
    """Preset of the experiments; one that streams its pictures gets those of ImageNet."""
    work: tuple[Literal["train", "predict"], ...] = ("train",)
    """What to compile: the train step, the prediction of a batch, or both."""
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("bfloat16",)
    """Precisions of the computation."""
    batch_size: int | None = None
    """Number of examples in a step on all devices; by default the experiment's own."""
    mesh: str = ""
    """Number of devices along each axis, like data=2,fsdp=2; by default all shard the batch."""
    output: Path = Path("runs/compiled.json")
    """JSON file to write."""

    @property
    def chips(self) -> dict[str, Chip]:
        """The chips for which a least time is reported."""
        name = self.for_.partition(":")[0]
        return {name: GPUS[name]} if self.is_gpu else TPUS

    @property
    def is_gpu(self) -> bool:
        """Whether the programs are for a GPU."""
        return self.for_.partition(":")[0] in GPUS
