"""What a training says of itself: its directory, its header, its summary."""

import json
from pathlib import Path
from typing import Any

import jax

from jaxdl.console import print_table
from jaxdl.data import Dataset
from jaxdl.errors import UsageError, UserError
from jaxdl.runs import Run
from jaxdl.runs.command_line import to_options
from jaxdl.runs.environment import describe_environment
from jaxdl.training.config import TrainingConfig
from jaxdl.training.mesh import make_mesh, require_whole_shares
from jaxdl.training.plan import Trained
from jaxdl.training.processes import is_first, scratch_directory, text_of_first

OF_ONE_PROCESS = {"process_id", "data_dir", "runs_dir", "resume", "judge"}


def open_run(experiment: str, config: TrainingConfig, dataset: Dataset) -> Run:
    """The run to resume, with the epochs now asked for, or a new one.

    Raises:
      UsageError: the batch is larger than the training split, or does not divide among the devices.
      UserError: the directory cannot be written, or another process has other options.
    """
    num_train = len(dataset.train["label"])
    if config.batch_size > num_train:
        raise UsageError(
            f"--batch-size is {config.batch_size:,}, but the training split has only "
            f"{num_train:,} examples."
        )
    require_whole_shares(config.batch_size, make_mesh(config.mesh))
    options = to_options(config)
    _require_options_of_first(options)
    if is_first() and config.resume:
        run = Run.open(config.resume).with_options(options)
    elif is_first():
        run = Run.create(experiment, config.runs_dir, config.seed, options, dataset.class_names)
    directory = text_of_first(str(run.directory) if is_first() else "")
    if is_first():
        return run
    try:
        run = Run.open(Path(directory))
    except UsageError as error:
        raise UserError(
            f"Process {jax.process_index()} does not see {directory}; give a --runs-dir that all "
            "processes share."
        ) from error
    return run.for_another_process(scratch_directory() / "run")


def _require_options_of_first(options: dict[str, Any]) -> None:
    for name, value in json.loads(text_of_first(json.dumps(options))).items():
        if name not in OF_ONE_PROCESS and options[name] != value:
            option = "--" + name.replace("_", "-")
            raise UserError(
                f"{option} is {options[name]} in process {jax.process_index()}, but {value} in the "
                "first: give all processes the same options."
            )


def print_header(
    run: Run, config: TrainingConfig, dataset: Dataset, model_name: str, parameters: int
) -> None:
    """What is about to be trained, on what."""
    environment = describe_environment()
    processes = f"{jax.process_count()} processes, " if jax.process_count() > 1 else ""
    sizes = [f"{len(s['label']):,}" for s in (dataset.train, dataset.validation, dataset.test)]
    print_table(
        {
            "device": f"{environment['device_count']} x {environment['device_kind']}, "
            f"{processes}{environment['processor']}, JAX {environment['jax_version']}",
            "data": f"{dataset.name}: {sizes[0]} train, {sizes[1]} validation, {sizes[2]} test",
            "model": f"{model_name}, {parameters:,} parameters, {config.precision}",
            "run": str(run.directory),
        }
    )


def summarise(
    run: Run,
    config: TrainingConfig,
    dataset_name: str,
    trained: Trained,
    parameters: int,
    scores: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """What summary.json says: scores, times, machine, options.

    Args:
      run: of the training.
      config: all options.
      dataset_name: what was learnt.
      trained: what the training gave.
      parameters: number of trainable values.
      scores: by name.
      seconds: of training and scoring in this session.
    """
    return {
        "experiment": run.experiment,
        "dataset": dataset_name,
        "seed": config.seed,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "steps": trained.steps,
        "parameters": parameters,
        **scores,
        "seconds_total": seconds + trained.seconds_before,
        "seconds_compile": trained.seconds_compile,
        "examples_per_second": trained.examples_per_second,
        **describe_environment(),
        "options": run.options,
    }
