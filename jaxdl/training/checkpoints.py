"""Checkpoints of a run, by Orbax. The only file that knows Orbax's interface."""

import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxdl.console import console
from jaxdl.errors import UserError

KEPT_CHECKPOINTS = 2

logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax warns of what was asked for


class CheckpointStore:
    """The checkpoints in one directory, written in the background, the last two kept.

    Each holds two trees of arrays: "training", all that going on needs, and "model",
    the variables that the run reports so far. Use it as a context manager: leaving it
    waits for the last write.
    """

    def __init__(self, directory: Path):
        """Opens the directory, creating it if need be, and clears half-written checkpoints."""
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
        """The newest readable checkpoint; damaged ones after it are set aside.

        Args:
          example: a tree of arrays with the structure, shapes and dtypes to restore.

        Returns:
          Its step and its "training" tree; None if there is no checkpoint at all.

        Raises:
          UserError: there are checkpoints, and none can be read.
        """
        abstract = jax.eval_shape(lambda: example)
        restored = _restore_newest(self._manager, "training", ocp.args.StandardRestore(abstract))
        if restored is None:
            return None
        step, training = restored
        for damaged in [later for later in self._manager.all_steps() if later > step]:
            path = self._directory / str(damaged)
            path.rename(path.with_suffix(".damaged"))
        self._manager.reload()
        return step, training


def load_model(directory: Path) -> Any:
    """The "model" tree of the newest readable checkpoint in a directory, which is only read.

    Raises:
      UserError: there is no checkpoint, or none can be read.
    """
    restored = None
    if directory.is_dir():
        options = ocp.CheckpointManagerOptions(read_only=True)
        with ocp.CheckpointManager(directory.absolute(), options=options) as manager:
            restored = _restore_newest(manager, "model", ocp.args.StandardRestore())
    if restored is None:
        raise UserError(f"{directory} holds no checkpoint: the run has not saved one yet.")
    return restored[1]


def _restore_newest(
    manager: ocp.CheckpointManager, item: str, arguments: ocp.args.StandardRestore
) -> tuple[int, Any] | None:
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        try:
            restored = manager.restore(step, args=ocp.args.Composite(**{item: arguments}))
        except Exception:  # Orbax and TensorStore raise many kinds for damaged files
            console.print(f"The checkpoint of step {step:,} is damaged: trying the one before it.")
        else:
            return step, restored[item]
    if steps:
        raise UserError(f"No checkpoint in {manager.directory} can be read; start a new run.")
    return None
