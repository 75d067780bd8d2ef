"""Every experiment's train step through the real TPU compiler, on a machine without a TPU.

    pip install -e ".[tpu]"
    python -m experiments.compile_for_tpu
    python -m experiments.compile_for_tpu --experiments resnet --topology v5e:4x4

Tells, for each, the memory, arithmetic, traffic and messages of a step on each chip, how long
the published peaks of v5e, v5p and v6e in bfloat16 allow it to take at least, and which share of
their time up to 4,096 chips would compute. Writes a JSON file. Takes about three minutes on two
CPU cores.
"""

import dataclasses
import os
import time
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from experiments.flops import count_flops
from experiments.roofline import CHIPS, describe_program, scaling, seconds_of_step
from experiments.train_steps import EXPERIMENTS, NUM_EXAMPLES, begin_training
from jaxdl.console import console, progress
from jaxdl.errors import UserError
from jaxdl.runs.command_line import parse_dataclass, run_command
from jaxdl.runs.run import write_json
from jaxdl.training.config import require
from jaxdl.training.mesh import copied, make_mesh, of_state, require_whole_shares
from jaxdl.training.steps import as_rows, describe_batch, empty_history, from_rows, make_train_steps

ExperimentName = Literal["mlp", "cnn", "rnn", "lstm", "gan", "transformer", "resnet", "vit"]
WITHOUT_A_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
}
"""So that the compiler does not ask a machine that is not there."""
CHIP_COUNTS = (8, 64, 512, 4096)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to compile."""

    experiments: tuple[ExperimentName, ...] = tuple(EXPERIMENTS)
    """Which experiments."""
    topology: str = "v5e:2x2"
    """Kind of chip and how many in each direction, as TPUs name them."""
    batch_size: int | None = None
    """Examples of a step on all chips; the experiment's own if not given."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the computation."""
    mesh: str = ""
    """Devices along each axis, like data=2,fsdp=2; if not given, all divide the batch only."""
    output: Path = Path("runs/tpu.json")
    """The JSON file to write."""


def main() -> None:
    """Reads the command line, compiles, prints and writes."""
    options = parse_dataclass(Options, "experiments.compile_for_tpu", description=__doc__)
    mesh = make_mesh(options.mesh, tpu_devices(options.topology))
    results = []
    with progress("compiling", len(options.experiments)) as show:
        for number, name in enumerate(options.experiments):
            show(number, name)
            results.append(describe_step(name, options, mesh))
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
    """The devices of a topology, for which programs can be compiled, but not run.

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
            f'No TPU compiler for {topology} ({reason}); pip install -e ".[tpu]", and mind '
            "--topology."
        ) from error


def describe_step(name: str, options: Options, mesh: Mesh) -> dict[str, Any]:
    """What a train step of an experiment is on each chip."""
    config = EXPERIMENTS[name].PRESETS["default"]
    batch_size = config.batch_size if options.batch_size is None else options.batch_size
    most = NUM_EXAMPLES[config.dataset]
    require(options, "batch_size", 1 <= batch_size <= most, f"1 to {most:,}")
    require_whole_shares(batch_size, mesh)
    config = dataclasses.replace(config, batch_size=batch_size, precision=options.precision)
    started = time.monotonic()
    try:
        compiled, flops = compile_step(name, config, mesh)
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"The step of {name} does not compile for a TPU: {reason}") from error
    described = {"flops": flops / mesh.size} | describe_program(compiled)
    summed = described["collectives"].get("all-reduce", {"bytes": 0})["bytes"]
    amounts = (described["flops"], described["bytes_accessed"])
    return {
        "experiment": name,
        "batch_size": batch_size,
        "compile_seconds": time.monotonic() - started,
        **described,
        "least_seconds": {kind: seconds_of_step(*amounts, chip) for kind, chip in CHIPS.items()},
        "computing_share": {
            kind: scaling(*amounts, summed, chip, CHIP_COUNTS) for kind, chip in CHIPS.items()
        }
        if mesh.shape["fsdp"] == 1
        else None,  # a divided state has other messages, which grow otherwise
    }


def compile_step(name: str, config: Any, mesh: Mesh) -> tuple[Any, int]:
    """The program that makes train steps of an experiment, and the arithmetic of a step.

    Args:
      name: of the experiment.
      config: its options.
      mesh: for whose devices it is compiled.
    """
    steps = {}

    def fresh_state() -> Any:
        training = begin_training(name, config, mesh)
        steps.update(step=training.step, example=training.example)
        return training.state

    state = jax.eval_shape(fresh_state)
    num_examples = NUM_EXAMPLES[config.dataset]
    data = {
        feature: jax.ShapeDtypeStruct((num_examples, *one.shape[1:]), one.dtype)
        for feature, one in steps["example"].items()
    }
    history = empty_history(steps["step"], state, data, config.batch_size)

    def laid_out(array: Any, sharding: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)

    carry = (
        jax.tree.map(lambda array: laid_out(array, of_state(array.shape, mesh)), state),
        jax.tree.map(lambda array: laid_out(array, copied(mesh)), history),
    )
    rows = jax.tree.map(lambda array: laid_out(array, copied(mesh)), jax.eval_shape(as_rows, data))
    order = jax.ShapeDtypeStruct((num_examples,), np.int32, sharding=copied(mesh))
    step = from_rows(steps["step"], data)
    train_steps = make_train_steps(step, config.batch_size, config.seed, mesh)
    lowered = train_steps.lower(carry, rows, order, np.int32(0), np.int32(0))
    batch = describe_batch(data, config.batch_size)
    flops = count_flops(steps["step"], state, batch, jax.random.key(0))
    return lowered.compile(), flops


def print_steps(results: list[dict[str, Any]]) -> None:
    """A line for each experiment: a step on each chip, and how long it takes at least."""
    console.print(
        f"{'experiment':<12}{'batch':>6}{'memory':>10}{'GFLOP':>9}{'traffic':>10}"
        f"{'messages':>18}" + "".join(f"{kind:>10}" for kind in CHIPS),
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
    """Which share of its time a v5e chip computes, by their number."""
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
