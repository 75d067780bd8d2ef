"""The frame around a training: its directory, its header, its summary, how to resume it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax

from jaxdl.console import print_table
from jaxdl.data import Dataset
from jaxdl.data.tokenizer import save_tokenizer
from jaxdl.errors import UsageError, UserError
from jaxdl.files import exclusive_use
from jaxdl.runs.environment import describe_environment
from jaxdl.runs.inputs import Examples
from jaxdl.runs.options import PLACES, to_options
from jaxdl.runs.run import Run
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.optimization import option_name
from jaxdl.training.plan import Trained
from jaxdl.training.processes import (
    exiting_together,
    is_first,
    scratch_directory,
    text_of_first,
)

OF_ONE_PROCESS = {"process_id", "feature_extractor", *PLACES}


@contextlib.contextmanager
def create_or_resume_run(experiment: str, config: Any, examples: Examples) -> Iterator[Run]:
    """Resumes a run with the options now given, or creates a new one, for the context.

    No other process can resume the run meanwhile. The message of an interrupted or failed training
    gets the command that resumes it.

    Raises:
      UserError: the directory cannot be written, is in use, or another process has other options.
    """
    options = to_options(config)
    _require_options_of_first(options)
    with contextlib.ExitStack() as held:
        if is_first():
            if config.run.resume:
                held.enter_context(exclusive_use(config.run.resume))
            run = _create_or_resume(experiment, config, options, examples.dataset.class_names)
            if not config.run.resume:
                held.enter_context(exclusive_use(run.directory))
            if examples.tokenizer:
                save_tokenizer(examples.tokenizer, run.tokenizer)
        directory = text_of_first(str(run.directory) if is_first() else "")
        if not is_first():
            run = _see_from_another_process(Path(directory))
        held.enter_context(exiting_together(run.command_to_resume))
        try:
            yield run
        except InterruptedTraining as error:
            raise InterruptedTraining(f"{error} Resume with: {run.command_to_resume}") from None


def _see_from_another_process(directory: Path) -> Run:
    try:
        run = Run.open(directory)
    except UsageError as error:
        raise UserError(
            f"Process {jax.process_index()} does not see {directory}; give a --runs-dir that all "
            "processes share."
        ) from error
    return run.for_another_process(scratch_directory() / "run")


def _create_or_resume(
    experiment: str, config: Any, options: dict[str, Any], class_names: tuple[str, ...]
) -> Run:
    if config.run.resume:
        return Run.open(config.run.resume).with_options(options)
    return Run.create(experiment, config.run.runs_dir, config.run.seed, options, class_names)


def _require_options_of_first(options: dict[str, Any]) -> None:
    for name, value in json.loads(text_of_first(json.dumps(options))).items():
        if name not in OF_ONE_PROCESS and options[name] != value:
            raise UserError(
                f"{option_name(name)} is {options[name]} in process {jax.process_index()}, but "
                f"{value} in the first: give all processes the same options."
            )


def print_header(
    run: Run, config: Any, dataset: Dataset, model: nn.Module, parameters: int
) -> None:
    """Prints what is about to be trained, on which data and devices."""
    environment = describe_environment()
    processes = f"{jax.process_count()} processes, " if jax.process_count() > 1 else ""
    sizes = [f"{len(s['label']):,}" for s in (dataset.train, dataset.validation, dataset.test)]
    print_table(
        {
            "device": f"{environment['device_count']} x {environment['device_kind']}, "
            f"{processes}{environment['processor']}, JAX {environment['jax_version']}",
            "data": f"{dataset.name}: {sizes[0]} train, {sizes[1]} validation, {sizes[2]} test",
            "model": f"{type(model).__name__}, {parameters:,} parameters, "
            f"{config.optimization.precision}",
            "run": str(run.directory),
        }
    )


def summarise(
    run: Run,
    config: Any,
    dataset_name: str,
    trained: Trained,
    parameters: int,
    scores: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Collects what summary.json holds: scores, times, machine, options.

    Args:
      run: of the training.
      config: all options.
      dataset_name: name of the data set.
      trained: what the training returned.
      parameters: number of trainable values.
      scores: by name.
      seconds: of training and scoring in this session.
    """
    return {
        "experiment": run.experiment,
        "dataset": dataset_name,
        "seed": config.run.seed,
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
