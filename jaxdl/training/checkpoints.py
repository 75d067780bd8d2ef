"""Checkpoints of a run, by Orbax. The only file that knows Orbax's interface."""

import shutil
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxdl.console import console
from jaxdl.errors import UserError

KEPT_CHECKPOINTS = 2


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
        """The newest readable checkpoint.

        Args:
          example: a tree of arrays with the structure, shapes and dtypes to restore.

        Returns:
          Its step and its "training" tree; None if there is no checkpoint at all.

        Raises:
          UserError: there are checkpoints, and none can be read.
        """
        return self._restore("training", ocp.args.StandardRestore(jax.eval_shape(lambda: example)))

    def restore_model(self) -> tuple[int, Any] | None:
        """As `restore_training`, for the "model" tree."""
        return self._restore("model", ocp.args.StandardRestore())

    def _restore(self, item: str, arguments: ocp.args.StandardRestore) -> tuple[int, Any] | None:
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                restored = self._manager.restore(step, args=ocp.args.Composite(**{item: arguments}))
            except Exception:  # Orbax and TensorStore raise many kinds for damaged files
                console.print(f"Checkpoint of step {step} is damaged: using the one before it.")
                shutil.rmtree(self._directory / str(step))
                self._manager.reload()
            else:
                return step, restored[item]
        if steps:
            raise UserError(f"No checkpoint in {self._directory} can be read; start a new run.")
        return None
