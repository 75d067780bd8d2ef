"""Compiles train steps by the real TPU compiler, on a machine without a TPU.

    pip install -e ".[tpu]"
    python -m experiments.compile_for_tpu
    python -m experiments.compile_for_tpu --experiments resnet --topology v5e:4x4
    python -m experiments.compile_for_tpu --experiments resnet vit --preset imagenet

Prints for each experiment that trains from scratch the memory, arithmetic, memory traffic and
collectives of a step on each chip, the least time that the published peaks of v5e, v5p and v6e in
bfloat16 allow for it, and the fraction of their time that up to 4,096 chips would compute. Writes a
JSON file. Takes about three minutes on two CPU cores.
"""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any, Literal

import jax
from jax.experimental import topologies
from jax.sharding import Mesh

from experiments.registry import FROM_SCRATCH, find_experiment
from jaxdl.analysis.flops import count_flops
from jaxdl.analysis.roofline import CHIPS, describe_program, scaling, seconds_of_step
from jaxdl.console import console, progress
from jaxdl.data.catalog import CATALOG
from jaxdl.errors import UserError
from jaxdl.files import write_json
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.options import with_changes
from jaxdl.training.epoch import CompiledEpoch
from jaxdl.training.mesh import make_mesh, require_equal_shards
from jaxdl.training.optimization import require
from jaxdl.training.streaming import StreamedEpoch

WITHOUT_A_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
}
"""Keeps the compiler from querying a machine that does not exist."""
CHIP_COUNTS = (8, 64, 512, 4096)
STEPS_PER_EPOCH = 1000  # affects the learning rate only
IMAGENET = ("tfds:imagenet2012", 1_281_167, 1000)
"""Pictures of the presets that stream them: their name, number and number of classes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to compile."""

    experiments: tuple[Literal[*FROM_SCRATCH], ...] = FROM_SCRATCH
    """Experiments to compile."""
    preset: str = "default"
    """Preset of the experiments; one that streams its pictures gets those of ImageNet."""
    topology: str = "v5e:2x2"
    """Kind of chip and number of chips in each direction, as TPUs name them."""
    batch_size: int | None = None
    """Number of examples in a step on all chips; by default the experiment's own."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Precision of the computation."""
    mesh: str = ""
    """Number of devices along each axis, like data=2,fsdp=2; by default all shard the batch."""
    output: Path = Path("runs/tpu.json")
    """JSON file to write."""


def main() -> None:
    """Parses the command line, compiles, prints and writes."""
    options = parse_dataclass(Options, "experiments.compile_for_tpu", description=__doc__)
    mesh = make_mesh(options.mesh, tpu_devices(options.topology))
    results = []
    with progress("compiling", len(options.experiments)) as show:
        for number, name in enumerate(options.experiments):
            show(number, name)
            results.append(analyse_step(find_experiment(name), options, mesh))
    print_steps(results)
    if mesh.shape["fsdp"] == 1:
        print_scaling(results)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        options.output,
        {
            "topology": options.topology,
            "chips": mesh.size,
            "mesh": dict(mesh.shape),
            "precision": options.precision,
            "jax_version": jax.__version__,
            "published_peaks": {name: dataclasses.asdict(chip) for name, chip in CHIPS.items()},
            "results": results,
        },
    )
    console.print(str(options.output))


def tpu_devices(topology: str) -> list[jax.Device]:
    """Returns the devices of a topology, for which programs can be compiled, but not run.

    Raises:
      UserError: the TPU compiler is not installed, or knows no such topology.
    """
    for variable, value in WITHOUT_A_TPU.items():
        os.environ.setdefault(variable, value)
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=topology).devices
    except Exception as error:  # the plugin raises many kinds
        reason = str(error).splitlines()[0]
        raise UserError(
            f'No TPU compiler for {topology} ({reason}); pip install -e ".[tpu]", and check '
            "--topology."
        ) from error


def analyse_step(experiment: Experiment, options: Options, mesh: Mesh) -> dict[str, Any]:
    """Compiles the train step of an experiment and measures the program on each chip."""
    presets = {"default": {}} | dict(experiment.presets)
    known = options.preset in presets
    require(options, "preset", known, f"one of {', '.join(presets)} for {experiment.name}")
    config = with_changes(experiment.config(), presets[options.preset])
    if streams(config):
        config = with_changes(config, {"dataset": IMAGENET[0]})
    batch_size = options.batch_size
    if batch_size is None:
        batch_size = config.optimization.batch_size
    most, _ = size_of(config)
    require(options, "batch_size", 1 <= batch_size <= most, f"1 to {most:,}")
    require_equal_shards(batch_size, mesh)
    changes = {"batch_size": batch_size, "precision": options.precision}
    config = with_changes(config, changes)
    started = time.monotonic()
    try:
        compiled, flops = compile_step(experiment, config, mesh)
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"The step of {experiment.name} does not compile for a TPU: {reason}"
        ) from error
    described = {"flops": flops / mesh.size} | describe_program(compiled)
    summed = described["collectives"].get("all-reduce", {"bytes": 0})["bytes"]
    amounts = (described["flops"], described["bytes_accessed"])
    return {
        "experiment": experiment.name,
        "batch_size": batch_size,
        "compile_seconds": time.monotonic() - started,
        **described,
        "least_seconds": {kind: seconds_of_step(*amounts, chip) for kind, chip in CHIPS.items()},
        "computing_share": {
            kind: scaling(*amounts, summed, chip, CHIP_COUNTS) for kind, chip in CHIPS.items()
        }
        if mesh.shape["fsdp"] == 1
        else None,  # a sharded state has other collectives, which scale differently
    }


def compile_step(experiment: Experiment, config: Any, mesh: Mesh) -> tuple[Any, int]:
    """Compiles the train steps of an experiment, and counts the FLOPs of one.

    Args:
      experiment: what is trained.
      config: its options.
      mesh: the devices for which to compile.
    """
    static = {}
    num_train, num_classes = size_of(config)

    def init_state() -> Any:
        static["training"] = experiment.init(config, STEPS_PER_EPOCH, mesh, num_classes)
        return static["training"].state

    state = jax.eval_shape(init_state)
    training = static["training"]
    split = {
        feature: jax.ShapeDtypeStruct((num_train, *one.shape[1:]), one.dtype)
        for feature, one in training.example.items()
    }
    batch_size, seed = config.optimization.batch_size, config.run.seed
    kind = StreamedEpoch if streams(config) else CompiledEpoch
    epoch = kind(training.step, state, split, batch_size, seed, mesh)
    flops = count_flops(training.step, *epoch.step_arguments)
    return epoch.lower().compile(), flops


def streams(config: Any) -> bool:
    """Whether the pictures of a configuration are read in every epoch."""
    return getattr(config.data, "stream", False)


def size_of(config: Any) -> tuple[int, int]:
    """Returns the number of training examples of a data set, and of its classes."""
    if config.data.dataset in CATALOG:
        entry = CATALOG[config.data.dataset]
        return entry.num_train, entry.num_classes
    return IMAGENET[1:]


def print_steps(results: list[dict[str, Any]]) -> None:
    """Prints a line for each experiment: a step on each chip, and the least time it takes."""
    console.print(
        f"{'experiment':<12}{'batch':>6}{'memory':>10}{'GFLOP':>9}{'traffic':>10}"
        f"{'collectives':>18}" + "".join(f"{kind:>10}" for kind in CHIPS),
        style="bold",
    )
    for result in results:
        count = sum(kind["count"] for kind in result["collectives"].values())
        size = sum(kind["bytes"] for kind in result["collectives"].values())
        console.print(
            f"{result['experiment']:<12}{result['batch_size']:>6}"
            f"{result['memory_bytes'] / 1e6:>7,.0f} MB{result['flops'] / 1e9:>9,.2f}"
            f"{result['bytes_accessed'] / 1e6:>7,.0f} MB{count:>8} x {size / 1e6:>4,.1f} MB"
            + "".join(f"{1e6 * s:>7,.0f} us" for s in result["least_seconds"].values())
        )


def print_scaling(results: list[dict[str, Any]]) -> None:
    """Prints the fraction of its time that a v5e chip computes, by the number of chips."""
    console.print(
        "computing, v5e, the batch growing with the chips: "
        + "".join(f"{count:>8,} chips" for count in CHIP_COUNTS),
        style="bold",
    )
    for result in results:
        shares = result["computing_share"]["v5e"].values()
        console.print(f"{result['experiment']:<50}" + "".join(f"{s:>14.0%}" for s in shares))


if __name__ == "__main__":
    run_command(main)
