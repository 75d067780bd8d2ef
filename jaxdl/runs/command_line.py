"""Parses command lines into configurations."""

import argparse
import contextlib
import dataclasses
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from jaxdl.console import note
from jaxdl.data.catalog import CATALOG
from jaxdl.errors import UsageError, UserError
from jaxdl.files import expand_home
from jaxdl.runs.options import MACHINE, PLACES, from_options, groups, to_options, with_changes
from jaxdl.runs.run import Run, module_of
from jaxdl.training.optimization import option_name

Config = TypeVar("Config")

CHANGEABLE_ON_RESUME = {"epochs", "dataset", *PLACES, *MACHINE}
SYSTEM_FOLDERS = {
    *("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "sbin", "sys", "usr", "var"),
    *("Applications", "Library", "System", "Program Files", "Windows"),
}
"""Folders at the root of a file system in which a run of unknown origin must not write."""
FREE_FOLDERS = ("/dev/shm", "/usr/local", "/var/tmp")


def parse(
    name: str,
    config_class: type[Config],
    presets: Mapping[str, Mapping[str, Any]],
    description: str,
    arguments: Sequence[str] | None = None,
) -> Config:
    """Parses the command line of an experiment.

    ``--preset NAME`` and ``--resume RUN`` choose the values of the options that are not
    on the command line.

    Args:
      name: name of the experiment.
      config_class: a frozen dataclass of groups of options, see `jaxdl.runs.options`.
      presets: for each preset, the options that it changes.
      description: shown above the options by ``--help``.
      arguments: arguments of the command line; ``sys.argv`` if None.

    Raises:
      UsageError: an unknown option, a value out of range, a run that cannot be resumed.
      UserError: the run to resume cannot be read, or its data folder belongs to the system.
    """
    # These are read first, since they set the defaults with which the other options are checked.
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", nargs="?", default="default")
    first.add_argument("--resume", nargs="?", type=Path)
    first.add_argument("--data-dir", "--data_dir", nargs="?", type=Path)
    start, _ = first.parse_known_args(arguments)
    default = config_class()
    if start.resume:
        default = _options_of_run(name, expand_home(start.resume), default)
    elif start.preset in presets:
        default = with_changes(default, {"preset": start.preset, **presets[start.preset]})
    description = f"{description}\n{_describe_presets(presets)}"
    config = parse_dataclass(config_class, module_of(name), description, arguments, default)
    _require_effect(config, default)
    config = _with_whole_paths(config)
    if start.resume:
        _require_resumable(to_options(default), to_options(config))
        folder = config.data.data_dir
        if start.data_dir is None and folder != config_class().data.data_dir:
            _announce_data_folder(config.run.resume, folder)
    elif config.run.preset not in ("default", *presets):
        known = ", ".join(["default", *presets])
        raise UsageError(f"--preset is {config.run.preset}, but must be one of {known}.")
    return config


def _with_whole_paths(config: Config) -> Config:
    """Expands ``~``, and lets data be found again when a run is resumed from another directory."""
    paths = {"runs_dir": config.run.runs_dir, "resume": config.run.resume}
    changes = {name: expand_home(path) for name, path in paths.items() if path}
    changes["data_dir"] = expand_home(config.data.data_dir).absolute()
    own = expand_home(config.data.dataset)
    if own.exists() and config.data.dataset not in CATALOG:
        changes["dataset"] = str(own.resolve())
    return with_changes(config, changes)


def _require_effect(config: Any, default: Any) -> None:
    """Refuses options that were changed although others leave them without effect."""
    now, before = to_options(config), to_options(default)
    for part in (config, *groups(config)):
        unused = part.without_effect() if hasattr(part, "without_effect") else {}
        for name, reason in unused.items():
            if now[name] != before[name]:
                raise UsageError(f"{option_name(name)} has no effect with {reason}: leave it out.")


def _describe_presets(presets: Mapping[str, Mapping[str, Any]]) -> str:
    """Says for each preset which options it sets."""
    lines = []
    for name, changes in presets.items():
        options = " ".join(_as_given(key, value) for key, value in changes.items())
        lines.append(f"--preset {name} sets {options}.")
    return "\n\n".join(lines)


def _as_given(name: str, value: Any) -> str:
    """Formats an option with its value as it is given on the command line."""
    if isinstance(value, bool):
        return option_name(name if value else f"no_{name}")
    return f"{option_name(name)} {value}"


def _options_of_run(name: str, directory: Path, default: Config) -> Config:
    """Reads the options of an earlier run, to be resumed on the devices of ``default``.

    New runs are made beside it if its folder is named ``name``, whatever its config.json says.
    """
    run = Run.open(directory)
    if run.experiment != name:
        raise UsageError(
            f"{run.directory} is a run of {run.experiment}: resume it with {run.command_to_resume}"
        )
    config = dataclasses.replace(from_options(type(default), run.options), machine=default.machine)
    folder = directory.resolve().parent
    runs_dir = folder.parent if folder.name == name else default.run.runs_dir
    config = with_changes(config, {"runs_dir": runs_dir})
    if config.data.data_dir.is_dir():
        return config
    return with_changes(config, {"data_dir": default.data.data_dir})  # from another machine


def _announce_data_folder(run: Path, folder: Path) -> None:
    """Says which folder a run of unknown origin names, before anything is written there.

    Raises:
      UserError: the folder belongs to the system.
    """
    if _belongs_to_the_system(folder):
        raise UserError(
            f"config.json of {run} names {folder} as the folder of its data, which belongs to the "
            "system: give the right one by --data-dir."
        )
    note(f"The data is read from {folder}, as config.json of the run says.")


def _belongs_to_the_system(folder: Path) -> bool:
    resolved = folder.resolve()
    free = any(resolved.is_relative_to(folder) for folder in FREE_FOLDERS)
    return not free and (len(resolved.parts) == 1 or resolved.parts[1] in SYSTEM_FOLDERS)


def _require_resumable(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuses options with which a run cannot be resumed."""
    if after.get("epochs", 0) < before.get("epochs", 0):  # a linear probe has none
        raise UsageError(f"--epochs of a resumed run can only be raised from {before['epochs']}.")
    for option, value in after.items():
        if value != before[option] and option not in CHANGEABLE_ON_RESUME:
            raise UsageError(
                f"{option_name(option)} cannot be changed when a run is resumed; start a new run."
            )


def parse_dataclass(
    config_class: type[Config],
    module: str,
    description: str,
    arguments: Sequence[str] | None = None,
    default: Config | None = None,
) -> Config:
    """Parses a command line into a dataclass by tyro, whose errors become one line.

    Args:
      config_class: a dataclass with options, or with groups of options.
      module: the command is ``python -m MODULE``.
      description: shown above the options by ``--help``.
      arguments: arguments of the command line; ``sys.argv`` if None.
      default: supplies the default values; None for those of the class.

    Raises:
      UsageError: the command line does not fit the dataclass.
    """
    errors = io.StringIO()
    defaults = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(
                config_class,
                prog=f"python -m {module}",
                description=description,
                args=arguments,
                config=(tyro.conf.OmitArgPrefixes,),
                **defaults,
            )
    except SystemExit as exit_:
        if not exit_.code:
            raise
        raise UsageError(_one_line(errors.getvalue(), module)) from None


def _one_line(box: str, module: str) -> str:
    """Extracts the message from the box that tyro draws: the part above its first inner rule.

    Where the terminal has no box characters, the box is drawn in ASCII.
    """
    parts = re.split(r"^.*[─-]{5,}[╮┤╯+|│ ]*$", box, flags=re.MULTILINE)
    parts = [" ".join(part.replace("│", " ").split()) for part in parts]
    message = parts[1] if len(parts) > 1 else parts[0]
    suggestion = next((re.search(r"--\S+", p) for p in parts if p.startswith("Perhaps")), None)
    hint = f"did you mean {suggestion[0]}?" if suggestion else f"see python -m {module} --help"
    return f"{message.rstrip('.')}; {hint}"
