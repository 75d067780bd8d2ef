"""Compiles train steps for TPUs and GPUs by their real compilers, on a machine without either.

    pip install -e ".[tpu]"
    python -m experiments.compile --for v5e:2x2
    python -m experiments.compile --for v5e:2x4 --experiments resnet vit --preset imagenet
    pip install -e ".[gpu-compiler]"
    python -m experiments.compile --for h200 --precisions float32 bfloat16 --work train predict

Prints for each experiment that trains from scratch whether its program compiles, and its memory,
arithmetic, memory traffic, collectives or kernels; the least time that published peaks in bfloat16
allow for it; and for several chips the fraction of their time that up to 4,096 would compute.
Writes a JSON file. A program takes from less than a second to a minute on two CPU cores.
"""

import dataclasses
import time
from typing import Any

import jax
from jax.sharding import Mesh

from experiments.compile.compilation import (
    IMAGENET,
    compile_prediction,
    compile_step,
    size_of,
    streams,
)
from experiments.compile.options import Options
from experiments.compile.printing import format_header, format_program, format_scaling
from experiments.compile.targets import devices_of
from experiments.registry import find_experiment
from jaxdl.analysis.programs import describe_program
from jaxdl.analysis.roofline import scaling, seconds_of_step
from jaxdl.console import console, progress
from jaxdl.errors import UserError, reason_of
from jaxdl.files import write_json
from jaxdl.runs.command_line import parse_dataclass
from jaxdl.runs.commands import run_command
from jaxdl.runs.experiment import Experiment
from jaxdl.runs.options import with_changes
from jaxdl.training.mesh import make_mesh, require_equal_shards
from jaxdl.training.optimization import require

Record = dict[str, Any]
CHIP_COUNTS = (8, 64, 512, 4096)
WORK = {"train": compile_step, "predict": compile_prediction}


def main() -> None:
    """Parses the command line, compiles, prints and writes."""
    options = parse_dataclass(Options, "experiments.compile", description=__doc__)
    jax.config.update("jax_platforms", "cpu")  # on which only shapes are computed
    jax.config.update("jax_enable_compilation_cache", False)  # it cannot load what cannot run
    mesh = make_mesh(options.mesh, devices_of(options.for_))
    cases = [
        (name, work, precision)
        for name in options.experiments
        for work in options.work
        for precision in options.precisions
    ]
    for name, _, precision in cases:  # wrong usage is found before anything is compiled
        configure(find_experiment(name), precision, options, mesh)
    results = []
    console.print(format_header(options.chips), style="bold")
    with progress("compiling", len(cases)) as show:
        for number, case in enumerate(cases):
            show(number, " ".join(case))
            result = analyse(*case, options, mesh)
            if result:
                results.append(result)
                console.print(format_program(result))
    for line in format_scaling(results):
        console.print(line)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        options.output,
        {
            "target": options.for_,
            "chips": mesh.size,
            "mesh": dict(mesh.shape),
            "jax_version": jax.__version__,
            "published_peaks": {n: dataclasses.asdict(chip) for n, chip in options.chips.items()},
            "results": results,
        },
    )
    console.print(str(options.output))
    failed = [result for result in results if "error" in result]
    if failed:
        raise UserError(f"{len(failed)} of {len(results)} programs do not compile, see above.")


def analyse(name: str, work: str, precision: str, options: Options, mesh: Mesh) -> Record | None:
    """Compiles one program and describes what it does on each device.

    Returns:
      "experiment", "work", "precision", "batch_size", and either "error" or what the program does;
      None if the experiment has no such program.
    """
    experiment = find_experiment(name)
    config = configure(experiment, precision, options, mesh)
    case = {
        "experiment": name,
        "work": work,
        "precision": precision,
        "batch_size": config.optimization.batch_size,
    }
    started = time.monotonic()
    try:
        compiled = WORK[work](experiment, config, mesh)
    except jax.errors.JaxRuntimeError as error:
        return case | {"error": reason_of(error)}
    if compiled is None:
        return None
    program, flops = compiled
    described = {"flops": flops / mesh.size} | describe_program(program, options.is_gpu)
    summed = described["collectives"].get("all-reduce", {"bytes": 0})["bytes"]
    amounts = (described["flops"], described["bytes_accessed"])
    # A sharded state has other collectives, which scale differently.
    scales = mesh.size > 1 and mesh.shape["fsdp"] == 1 and work == "train"
    return case | {
        "compile_seconds": time.monotonic() - started,
        **described,
        "least_seconds": {n: seconds_of_step(*amounts, chip) for n, chip in options.chips.items()},
        "computing_share": {
            n: scaling(*amounts, summed, chip, CHIP_COUNTS) for n, chip in options.chips.items()
        }
        if scales
        else None,
    }


def configure(experiment: Experiment, precision: str, options: Options, mesh: Mesh) -> Any:
    """Returns the options of an experiment with the preset, batch size and precision asked for.

    Raises:
      UsageError: the experiment has no such preset, or cannot have such batches.
    """
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
    return with_changes(config, {"batch_size": batch_size, "precision": precision})


if __name__ == "__main__":
    run_command(main)
