"""Checkpoints of a training, by Orbax. No other file uses Orbax."""

import contextlib
import gc
import io
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxdl.console import note
from jaxdl.errors import UserError

KEPT_CHECKPOINTS = 2
SECONDS_FOR_ABANDONED_READS = 0.3

logging.getLogger("absl").setLevel(logging.CRITICAL)  # what matters is raised, and reported below


class CheckpointStore:
    """The checkpoints in one directory; they are written in the background, and two are kept.

    Each holds two trees of arrays: "training", from which a training resumes, and "model", the
    variables that it would report. Use it as a context manager: leaving it waits for the last
    write.
    """

    def __init__(self, directory: Path):
        """Creates the directory if it does not exist, and removes incomplete checkpoints."""
        self._directory = directory.absolute()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT_CHECKPOINTS, cleanup_tmp_directories=True
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def __enter__(self) -> "CheckpointStore":
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.close()

    def save(self, step: int, training: Any, model: Any) -> None:
        """Writes a checkpoint unless this step has one; returns before it is on disk."""
        if step in self._manager.all_steps():
            return
        items = ocp.args.Composite(
            training=ocp.args.StandardSave(training), model=ocp.args.StandardSave(model)
        )
        self._manager.save(step, args=items)

    def restore_training(self, example: Any) -> tuple[int, Any] | None:
        """Restores the newest readable checkpoint; damaged newer ones are renamed.

        Args:
          example: a tree of arrays with the structure, shapes and dtypes to restore.

        Returns:
          Its step and its "training" tree; None if there is no checkpoint at all.

        Raises:
          UserError: there are checkpoints, but none can be read.
        """
        abstract = jax.tree.map(lambda leaf: _abstract(leaf, leaf.sharding), example)
        restored = _restore_newest(self._manager, "training", lambda step: abstract)
        if restored is None:
            return None
        step, training = restored
        for damaged in [later for later in self._manager.all_steps() if later > step]:
            aside = self._directory / f"{damaged}.damaged"
            shutil.rmtree(aside, ignore_errors=True)
            (self._directory / str(damaged)).rename(aside)
        self._manager.reload()
        return step, training


def load_model(directory: Path) -> Any:
    """Loads the "model" tree of the newest readable checkpoint, and changes nothing on disk.

    The arrays are put on the first device of this process, wherever they were when saved.

    Raises:
      UserError: there is no checkpoint, or none can be read.
    """
    restored = None
    if directory.is_dir():
        this = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process-{this}"
        )
        options = ocp.CheckpointManagerOptions(read_only=True, multiprocessing_options=alone)
        handlers = {"model": ocp.StandardCheckpointHandler()}
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        with ocp.CheckpointManager(
            directory.absolute(), options=options, item_handlers=handlers
        ) as manager:

            def abstract_model(step: int) -> Any:
                stored = manager.item_metadata(step)["model"].tree
                return jax.tree.map(lambda leaf: _abstract(leaf, device), stored)

            restored = _restore_newest(manager, "model", abstract_model)
    if restored is None:
        raise UserError(f"{directory} holds no checkpoint: the run has not saved one yet.")
    return restored[1]


def _abstract(leaf: Any, sharding: jax.sharding.Sharding) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _restore_newest(
    manager: ocp.CheckpointManager, item: str, abstract: Callable[[int], Any]
) -> tuple[int, Any] | None:
    """Restores the newest readable item; ``abstract(step)`` gives its shapes and shardings."""
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        try:
            with _quiet_failure():
                arguments = ocp.args.StandardRestore(abstract(step))
                restored = manager.restore(step, args=ocp.args.Composite(**{item: arguments}))
        except (
            Exception
        ) as error:  # Orbax and TensorStore raise many kinds of errors for damaged files
            if jax.process_count() > 1:
                raise UserError(
                    f"The checkpoint of step {step:,} cannot be read; remove it from "
                    f"{manager.directory}."
                ) from error
            continue
        if step != steps[0]:
            note(f"The checkpoint of step {steps[0]:,} is damaged: using that of step {step:,}.")
        return step, restored[item]
    if steps:
        raise UserError(
            f"No checkpoint in {manager.directory} can be read: they are damaged, or of another "
            "model. Start again in a new directory."
        )
    return None


@contextlib.contextmanager
def _quiet_failure() -> Iterator[None]:
    """Suppresses what Orbax's abandoned reads print when they are collected."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            yield
        except Exception as error:
            error.__traceback__ = error.__context__ = error.__cause__ = None  # they hold the reads
            gc.collect()
            time.sleep(SECONDS_FOR_ABANDONED_READS)
            raise
