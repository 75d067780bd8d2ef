"""From a command line to a configuration, and from an error to an exit status."""

import contextlib
import dataclasses
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import tyro

from jaxdl.console import note
from jaxdl.errors import UsageError, UserError
from jaxdl.runs.run import Run

Config = TypeVar("Config")

INTERRUPTED = 130  # as shells report a program stopped by Ctrl-C
OF_THE_MACHINE = ("mesh", "coordinator", "process_id", "process_count")
CHANGEABLE_ON_RESUME = {"resume", "epochs", "data_dir", "runs_dir", *OF_THE_MACHINE}


def parse(
    experiment: str,
    presets: Mapping[str, Config],
    description: str,
    arguments: Sequence[str] | None = None,
) -> Config:
    """Reads the options of an experiment.

    ``--preset NAME`` and ``--resume RUN`` choose the values of the options that are not
    on the command line.

    Args:
      experiment: its name, as in ``python -m experiments.NAME``.
      presets: configurations of one frozen dataclass, "default" among them.
      description: shown above the options by ``--help``.
      arguments: of the command line; ``sys.argv`` if None.

    Raises:
      UsageError: an unknown option, a value out of range, a run that cannot be resumed.
    """

    def parse_over(default: Config) -> Config:
        return parse_dataclass(
            type(default), f"experiments.{experiment}", description, arguments, default
        )

    first = parse_over(presets["default"])
    if first.resume is None:
        return first if first.preset == "default" else parse_over(presets[first.preset])
    run = Run.open(first.resume)
    if run.experiment != experiment:
        raise UsageError(
            f"{run.directory} is a run of {run.experiment}: resume it with "
            f"python -m experiments.{run.experiment} --resume {run.directory}"
        )
    earlier = from_options(type(first), run.options)
    here = {name: getattr(first, name) for name in OF_THE_MACHINE if hasattr(first, name)}
    earlier = dataclasses.replace(earlier, **here)
    if not earlier.data_dir.is_dir():  # the run comes from another machine
        earlier = dataclasses.replace(earlier, data_dir=first.data_dir)
    config = parse_over(earlier)
    if config.epochs < earlier.epochs:
        raise UsageError(f"--epochs of a resumed run can only be raised from {earlier.epochs}.")
    for field in dataclasses.fields(config):
        if field.name in CHANGEABLE_ON_RESUME:
            continue
        if getattr(config, field.name) != getattr(earlier, field.name):
            option = "--" + field.name.replace("_", "-")
            raise UsageError(f"{option} cannot be changed when a run is resumed; start a new run.")
    return config


def parse_dataclass(
    config_class: type[Config],
    module: str,
    description: str,
    arguments: Sequence[str] | None = None,
    default: Config | None = None,
) -> Config:
    """Reads a command line into a dataclass by tyro, whose errors become one line.

    Args:
      config_class: a dataclass with the options.
      module: the command is ``python -m MODULE``.
      description: shown above the options by ``--help``.
      arguments: of the command line; ``sys.argv`` if None.
      default: where the defaults come from; the class itself if None.

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
                **defaults,
            )
    except SystemExit as exit_:
        if not exit_.code:
            raise
        raise UsageError(_one_line(errors.getvalue(), module)) from None


def _one_line(box: str, module: str) -> str:
    """The message in the box that tyro draws: the part above its first inner rule.

    The box is drawn in ASCII where the terminal has nothing better.
    """
    parts = re.split(r"^.*[─-]{5,}.*$", box, flags=re.MULTILINE)
    parts = [" ".join(part.replace("│", " ").split()) for part in parts]
    message = parts[1] if len(parts) > 1 else parts[0]
    suggestion = next((re.search(r"--\S+", p) for p in parts if p.startswith("Perhaps")), None)
    hint = f"did you mean {suggestion[0]}?" if suggestion else f"see python -m {module} --help"
    return f"{message.rstrip('.')}; {hint}"


def to_options(config: Any) -> dict[str, Any]:
    """The fields of a configuration as plain JSON values."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(config).items()
    }


def from_options(config_class: type[Config], options: Mapping[str, Any]) -> Config:
    """The inverse of `to_options`.

    Options that the run does not name, because it is older than they are, have their default.

    Raises:
      UserError: the options are not those of this class.
    """
    fields = {field.name: field.type for field in dataclasses.fields(config_class)}
    unknown = ", ".join(sorted(set(options) - set(fields)))
    if unknown:
        raise UserError(f"The run was made by another version of jaxdl, which knew {unknown}.")
    values = {
        name: Path(value) if value is not None and fields[name] in (Path, Path | None) else value
        for name, value in options.items()
    }
    try:
        return config_class(**values)
    except TypeError as error:
        raise UserError(f"The options in config.json of the run are damaged ({error}).") from error


def run_command(command: Callable[[], None]) -> NoReturn:
    """Runs a command to its end; what a user can mend is said in one line, without a traceback."""
    try:
        command()
    except UserError as error:
        interrupted = error.exit_status == INTERRUPTED
        note(str(error) if interrupted else f"error: {error}")
        sys.exit(error.exit_status)
    except OSError as error:
        note(f"error: {error.strerror or error}: {error.filename or 'while reading or writing'}")
        sys.exit(UserError.exit_status)
    except KeyboardInterrupt:
        note("Interrupted.")
        sys.exit(INTERRUPTED)
    sys.exit(0)
