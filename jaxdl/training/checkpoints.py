"""Saves and restores the checkpoints of a training with Orbax, which no other file uses."""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxdl.console import note
from jaxdl.errors import UserError, reason_of
from jaxdl.files import exclusive_use, is_unchanged, require_plain_path, with_checksum
from jaxdl.training.checksums import checksums
from jaxdl.training.epoch import with_shardings
from jaxdl.training.orbax_failures import is_passing, quiet_failure, silence_orbax
from jaxdl.training.processes import is_first

DESCRIPTION = "description"
KEPT_CHECKPOINTS = 2


class ChangedError(Exception):
    """A checkpoint can be read, but is not what was written."""


class CheckpointStore:
    """The checkpoints in one directory, of which the newest two are kept.

    Each holds two trees of arrays: "model", the variables that a training would report, and
    "training", everything else from which it resumes; and a description: the checksums of all
    arrays, which are verified whenever a tree is restored, and whether the model has been trained.
    Use the store as a context manager. Until its end it holds a lock, which the system releases if
    the process dies, so two trainings cannot use one directory.
    """

    def __init__(self, directory: Path):
        """Creates the directory if it does not exist, and removes incomplete checkpoints.

        Raises:
          UserError: another process uses the directory, or its name cannot be used.
        """
        silence_orbax()
        require_plain_path(directory)
        self._directory = directory.absolute()
        self._lock = contextlib.ExitStack()
        if is_first():
            self._lock.enter_context(exclusive_use(self._directory))
        options = ocp.CheckpointManagerOptions(
            max_to_keep=KEPT_CHECKPOINTS,
            cleanup_tmp_directories=True,
            enable_async_checkpointing=False,  # its threads would outlive a full disk
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def __enter__(self) -> "CheckpointStore":
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.close()
        self._lock.close()

    def is_empty(self) -> bool:
        """Whether there is no checkpoint, damaged or not."""
        return not self._manager.all_steps()

    def save(self, step: int, training: Any, model: Any, model_is_trained: bool = True) -> None:
        """Writes a checkpoint unless this step has one; a remark says if it cannot be written.

        Raises:
          Exception: it cannot be written, and several processes train together.
        """
        if step in self._manager.all_steps():
            return
        trees = {"training": training, "model": model}
        items = {name: ocp.args.StandardSave(tree) for name, tree in trees.items()}
        description = {"checksums": checksums(trees), "model_is_trained": model_is_trained}
        items[DESCRIPTION] = ocp.args.JsonSave(with_checksum(description))
        try:
            with quiet_failure():
                self._manager.save(step, args=ocp.args.Composite(**items))
        except (OSError, ValueError, RuntimeError) as error:  # TensorStore raises ValueErrors
            if jax.process_count() > 1:
                raise  # the others wait for this one
            for unfinished in self._directory.glob("*.orbax-checkpoint-tmp"):
                shutil.rmtree(unfinished, ignore_errors=True)
            note(
                f"The checkpoint of step {step:,} was not written to {self._directory} "
                f"({reason_of(error)})."
            )

    def restore(self, training: Any, model: Any) -> tuple[int, Any, Any] | None:
        """Restores the newest undamaged checkpoint; damaged newer ones are renamed.

        Where several processes train together, a damaged checkpoint is an error, since it may be
        damaged for some of them only.

        Args:
          training: a tree of arrays with the structure, shapes, dtypes and shardings to restore;
            the arrays may have been deleted.
          model: a tree of the same kind for the model.

        Returns:
          The step of the checkpoint, its "training" and its "model"; None if there is no checkpoint
          at all.

        Raises:
          UserError: there are checkpoints, but none can be restored, or one cannot be read now.
        """
        examples = {"training": training, "model": model}
        abstract = with_shardings(examples, lambda leaf: leaf.sharding)
        restored = _restore_newest(self._manager, lambda step: abstract)
        if restored is None:
            return None
        step, trees = restored
        for damaged in [later for later in self._manager.all_steps() if later > step]:
            aside = self._directory / f"{damaged}.damaged"
            shutil.rmtree(aside, ignore_errors=True)
            (self._directory / str(damaged)).rename(aside)
        self._manager.reload()
        return step, trees["training"], trees["model"]


def load_model(directory: Path | str) -> Any:
    """Loads the "model" tree of the newest undamaged checkpoint, and changes nothing on disk.

    The arrays are put on the first device of this process, wherever they were when saved.

    Raises:
      UserError: there is no checkpoint, none can be restored, one cannot be read now, or the model
        is not trained.
    """
    restored, directory = None, Path(directory)
    if directory.is_dir():
        with _opened_to_read(directory) as manager:
            restored = _restore_newest(manager, partial(_stored, manager, ("model",)))
    if restored is None:
        raise UserError(f"{directory} holds no checkpoint: the run has not saved one yet.")
    if not restored[1][DESCRIPTION]["model_is_trained"]:
        raise UserError(
            f"{directory} holds no trained model: the training was stopped before the end of its "
            "first epoch. Resume it."
        )
    return restored[1]["model"]


def verify(directory: Path) -> dict[int, str]:
    """Reads all checkpoints completely, and changes nothing on disk.

    Returns:
      What is wrong with each checkpoint, by its step; "" if nothing is.

    Raises:
      UserError: a checkpoint cannot be read now, which does not mean that it is damaged.
    """
    found = {}
    with _opened_to_read(directory) as manager:
        for step in sorted(manager.all_steps()):
            try:
                with quiet_failure():
                    _restore(manager, step, _stored(manager, ("training", "model"), step))
                found[step] = ""
            except Exception as error:  # see `_restore_newest`
                _raise_if_passing(error, step, manager.directory)
                found[step] = str(error) if isinstance(error, ChangedError) else "it cannot be read"
    return found


@contextlib.contextmanager
def _opened_to_read(directory: Path) -> Iterator[ocp.CheckpointManager]:
    """Opens a directory of checkpoints for reading, by this process alone."""
    silence_orbax()
    require_plain_path(directory)
    this = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process-{this}"
    )
    options = ocp.CheckpointManagerOptions(read_only=True, multiprocessing_options=alone)
    handlers = {
        "training": ocp.StandardCheckpointHandler(),
        "model": ocp.StandardCheckpointHandler(),
        DESCRIPTION: ocp.JsonCheckpointHandler(multiprocessing_options=alone),
    }
    with ocp.CheckpointManager(
        directory.absolute(), options=options, item_handlers=handlers
    ) as manager:
        yield manager


def _stored(manager: ocp.CheckpointManager, names: tuple[str, ...], step: int) -> dict[str, Any]:
    """Returns shapes and dtypes of the trees as saved, to be put on this process's first device."""
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    metadata = manager.item_metadata(step)
    return {name: with_shardings(metadata[name].tree, lambda _: device) for name in names}


def _restore_newest(
    manager: ocp.CheckpointManager, abstract: Callable[[int], dict[str, Any]]
) -> tuple[int, dict[str, Any]] | None:
    """Restores the newest undamaged checkpoint: its step and trees; None if there is no checkpoint.

    Args:
      manager: opened on the directory.
      abstract: ``abstract(step)`` gives shapes, dtypes and shardings of the trees, by name.
    """
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        try:
            with quiet_failure():
                trees = _restore(manager, step, abstract(step))
        except Exception as error:  # Orbax and TensorStore raise many kinds for damaged files
            _raise_if_passing(error, step, manager.directory)
            if jax.process_count() > 1:
                raise UserError(
                    f"The checkpoint of step {step:,} is damaged; remove it from "
                    f"{manager.directory}."
                ) from error
            continue
        if step != steps[0]:
            note(f"The checkpoint of step {steps[0]:,} is damaged: using that of step {step:,}.")
        return step, trees
    if steps:
        raise UserError(
            f"No checkpoint in {manager.directory} can be used: they are damaged, or of another "
            "model or version. Start again in a new directory."
        )
    return None


def _raise_if_passing(error: Exception, step: int, directory: Path) -> None:
    if is_passing(error):
        raise UserError(
            f"The checkpoint of step {step:,} in {directory} cannot be read now "
            f"({reason_of(error)}); try again."
        ) from error


def _restore(manager: ocp.CheckpointManager, step: int, abstract: dict[str, Any]) -> dict[str, Any]:
    """Restores trees of a checkpoint and its description.

    Raises:
      ChangedError: a checksum differs.
      Exception: Orbax or TensorStore cannot read it; their exceptions are of many kinds.
    """
    items = {name: ocp.args.StandardRestore(tree) for name, tree in abstract.items()}
    items[DESCRIPTION] = ocp.args.JsonRestore()
    restored = manager.restore(step, args=ocp.args.Composite(**items))
    trees = {name: restored[name] for name in abstract}
    description = restored[DESCRIPTION]
    if not is_unchanged(description):
        raise ChangedError("its description was changed")
    saved = _by_names(description["checksums"])
    expected = {path: saved[path] for path in saved if path.split("/")[0] in trees}
    if _by_names(checksums(trees)) != expected:
        raise ChangedError("an array was changed")
    return trees | {DESCRIPTION: description}


def _by_names(paths: dict[str, str]) -> dict[str, str]:
    """Reduces paths to names: what was an attribute is a key in a tree restored as stored."""
    return {"/".join(re.findall(r"\w+", path)): value for path, value in paths.items()}
