"""The frame around a training: its directory, its header, its summary, how to resume it."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax

from jaxdl.console import note, print_table
from jaxdl.data import Dataset
from jaxdl.data.arrays import checksum
from jaxdl.data.catalog import CATALOG
from jaxdl.data.tokenizer import checksum_of, save_tokenizer
from jaxdl.data.tokens import TOKENIZER
from jaxdl.errors import UsageError, UserError
from jaxdl.files import exclusive_use
from jaxdl.runs.environment import describe_environment
from jaxdl.runs.inputs import Examples
from jaxdl.runs.options import PLACES, DataOptions, to_options
from jaxdl.runs.run import Run
from jaxdl.training.interruption import InterruptedTraining
from jaxdl.training.optimization import option_name
from jaxdl.training.plan import Trained
from jaxdl.training.processes import exiting_together, is_first, scratch_directory, text_of_first

Data = dict[str, dict[str, str]]

OF_ONE_PROCESS = {"process_id", "feature_extractor", *PLACES}
TIMES = ("seconds_total", "seconds_compile", "examples_per_second")


@contextlib.contextmanager
def create_or_resume_run(experiment: str, config: Any, examples: Examples) -> Iterator[Run]:
    """Resumes a run with the options now given, or creates a new one, for the context.

    No other process can resume the run meanwhile. The message of an interrupted training gets the
    command that resumes it. A new directory is removed if the context is left before
    anything has been trained.

    Raises:
      UserError: the directory cannot be written, or is in use; the data is not that of the run; or
        another process has other options or data.
    """
    options, data = to_options(config), checksums_of(examples)
    _require_options_of_first(options)
    _require_data_of_first(data, _place_of(config.data))
    with contextlib.ExitStack() as held:
        if is_first():
            if config.run.resume:
                held.enter_context(exclusive_use(config.run.resume))
                run = _resume(config, options, data)
            else:
                names = examples.dataset.class_names
                _require_data_of_group(experiment, config, data)
                where = (experiment, config.run.runs_dir, config.run.seed)
                run = Run.create(*where, options, names, data)
                held.enter_context(exclusive_use(run.directory))
        directory = text_of_first(str(run.directory) if is_first() else "")
        if not is_first():
            run = _see_from_another_process(Path(directory))
        held.enter_context(exiting_together(run.command_to_resume))
        if is_first():
            if not config.run.resume:
                held.push(partial(_remove_if_empty, run))
            if examples.tokenizer:
                save_tokenizer(examples.tokenizer, run.tokenizer)
        try:
            yield run
        except InterruptedTraining as error:
            raise InterruptedTraining(f"{error} Resume with: {run.command_to_resume}") from None
        except KeyboardInterrupt:
            if run.is_empty():
                raise
            raise InterruptedTraining(
                f"Interrupted. Resume with: {run.command_to_resume}"
            ) from None


def _see_from_another_process(directory: Path) -> Run:
    try:
        run = Run.open(directory)
    except UsageError as error:
        raise UserError(
            f"Process {jax.process_index()} does not see {directory}; give a --runs-dir that all "
            "processes share."
        ) from error
    return run.for_another_process(scratch_directory() / "run")


def checksums_of(examples: Examples) -> Data:
    """Computes the checksum of each array, by split and feature, and of the tokenizer, if any."""
    splits = {name: getattr(examples.encoded, name) for name in ("train", "validation", "test")}
    data = {
        split: {
            feature: examples.encoded.checksums.get(split, {}).get(feature) or checksum(array)
            for feature, array in features.items()
        }
        for split, features in splits.items()
    }
    if examples.tokenizer:
        data[TOKENIZER] = {"words": checksum_of(examples.tokenizer)}
    return data


def _place_of(data: DataOptions) -> str:
    """Says where the examples come from, for messages."""
    return str(data.data_dir) if data.dataset in CATALOG else data.dataset


def _resume(config: Any, options: dict[str, Any], data: Data) -> Run:
    run = Run.open(config.run.resume)
    _require_data_of(run, data, config.data)
    if not run.checkpoint_steps():
        note(f"{run.checkpoints} holds no checkpoint: the training starts from its beginning.")
    return run.with_options(options)


def _require_data_of_group(experiment: str, config: Any, data: Data) -> None:
    """Refuses data other than that of the first of several seeds, once that run has begun."""
    if config.run.group:
        first = Run.open(config.run.runs_dir / experiment / config.run.group)
        _require_data_of(first, data, config.data)


def _require_data_of(run: Run, data: Data, options: DataOptions) -> None:
    if run.data != data:
        raise UserError(
            f"{run.directory} was trained on other data than {_place_of(options)} holds "
            f"({_describe_change(run.data, data)}): bring back its data, or start a new run."
        )


def _describe_change(before: Data, now: Data) -> str:
    """Names the splits that differ, and says how the first one does."""
    splits = [split for split in before | now if before.get(split) != now.get(split)]
    old, new = before.get(splits[0], {}), now.get(splits[0], {})
    feature = next(name for name in old | new if old.get(name) != new.get(name))
    return (
        f"different: {', '.join(splits)}; {splits[0]} {feature}: "
        f"{old.get(feature, 'none')} then, {new.get(feature, 'none')} now"
    )


def _remove_if_empty(run: Run, kind: type[BaseException] | None, *_: object) -> None:
    """Removes the directory of a new run that failed before anything was trained."""
    if kind is not None and run.is_empty():
        shutil.rmtree(run.directory, ignore_errors=True)
        note(f"Removed {run.directory}, since nothing had been trained yet.")


def _require_options_of_first(options: dict[str, Any]) -> None:
    for name, value in json.loads(text_of_first(json.dumps(options))).items():
        if name not in OF_ONE_PROCESS and options[name] != value:
            raise UserError(
                f"{option_name(name)} is {options[name]} in process {jax.process_index()}, but "
                f"{value} in the first: give all processes the same options."
            )


def _require_data_of_first(data: Data, place: str) -> None:
    if json.loads(text_of_first(json.dumps(data))) != data:
        raise UserError(
            f"Process {jax.process_index()} has other data in {place} than the first process: "
            "give all processes the same data."
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

    If an earlier session finished the training, its times and its machine are kept.

    Args:
      run: the run.
      config: all options.
      dataset_name: name of the data set.
      trained: what the training returned.
      parameters: number of trainable values.
      scores: their values, by name.
      seconds: duration of this session from the loading of the data, or of a GAN from the start of
        the training, to the scores.
    """
    environment = describe_environment()
    summary = {
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
        **environment,
        "options": run.options,
    }
    earlier = run.read_summary() if trained.steps == trained.steps_before else None
    if earlier and earlier["steps"] == trained.steps:
        kept = (*TIMES, *environment)
        summary |= {name: earlier[name] for name in kept if name in earlier}
    return summary
