"""What the user sees: styled and live on a terminal, plain lines anywhere else.

Standard output carries what a command was asked for: a table, JSON, the log of a training run.
Progress, remarks and errors go to standard error, so that the output of any command can be
piped or saved.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from jaxdl.errors import printable


class SafeConsole(Console):
    """A console that passes each line of a text through `printable`."""

    def render_str(self, text: str, **options: Any) -> Text:
        """See `Console.render_str`."""
        return super().render_str("\n".join(map(printable, text.split("\n"))), **options)


console = SafeConsole(highlight=False, markup=False, emoji=False, soft_wrap=True)
error_console = SafeConsole(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=True)

SECONDS_BETWEEN_PLAIN_LINES = 10.0

Update = Callable[[float, str], None]


def silence() -> None:
    """Turns off all output; called in every process of a training run except the first."""
    console.quiet = error_console.quiet = True


def note(message: str) -> None:
    """Prints a remark, a warning or an error on standard error, in one line."""
    error_console.print(printable(message))


def print_table(rows: Mapping[str, str]) -> None:
    """Prints one line for each row: its name in bold, then its value."""
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(Text.assemble((name.rjust(width), "bold"), "  ", printable(value)))


def format_duration(seconds: float) -> str:
    """Formats a duration as seconds, minutes or hours, with about two digits."""
    if seconds < 100:
        return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


@contextlib.contextmanager
def progress(description: str, total: float) -> Iterator[Update]:
    """Shows the progress of a task on standard error.

    On a terminal this is a bar, which disappears when the task ends; elsewhere it is a plain
    line every ten seconds.

    Args:
      description: what is being done, in a few words.
      total: the amount of work, in any unit.

    Yields:
      ``update(completed, note)``: reports the amount of work done so far, and a few words to
      show beside it.
    """
    if not error_console.is_terminal:
        yield _plain_progress(description, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(compact=True),
    )
    bar = Progress(*columns, console=error_console, transient=True, redirect_stdout=False)
    with bar, _printing_above(bar):
        task = bar.add_task(printable(description), total=total, note="")
        yield lambda completed, note="": bar.update(task, completed=completed, note=note)


@contextlib.contextmanager
def _printing_above(bar: Progress) -> Iterator[None]:
    """Prints the lines of standard output above a bar, if both are on the terminal."""
    if not sys.stdout.isatty():
        yield
        return
    console.push_render_hook(bar.live)
    try:
        yield
    finally:
        console.pop_render_hook()


def _plain_progress(description: str, total: float) -> Update:
    last_line = time.monotonic()
    first: tuple[float, float] | None = None

    def update(completed: float, note: str = "") -> None:
        nonlocal first, last_line
        now = time.monotonic()
        if first is None or completed <= first[1]:  # no work has been done yet
            first = (now, completed)
        if now - last_line >= SECONDS_BETWEEN_PLAIN_LINES:
            last_line = now
            line = f"{description}: {completed / total:4.0%}  {note}"
            if first[1] < completed < total:
                seconds = (now - first[0]) * (total - completed) / (completed - first[1])
                line += f"  {format_duration(seconds)} left"
            error_console.print(line.rstrip())

    return update
