"""What the user sees: styled and live on a terminal, plain lines anywhere else."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(highlight=False, markup=False, soft_wrap=True)

SECONDS_BETWEEN_PLAIN_LINES = 10.0


def warn(message: str) -> None:
    """Says something on standard error, apart from what a command gives out."""
    if not console.quiet:
        print(message, file=sys.stderr)


def print_table(rows: Mapping[str, str]) -> None:
    """Prints names in bold and their values, one a line."""
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(Text.assemble((name.rjust(width), "bold"), "  ", value))


def format_duration(seconds: float) -> str:
    """A length of time in seconds, minutes or hours, to two digits or so."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


@contextlib.contextmanager
def progress(description: str, total: float) -> Iterator[Callable[[float, str], None]]:
    """Shows how far a piece of work is; the bar vanishes when the work ends.

    Args:
      description: what is being done, a few words.
      total: the amount of work, in any unit.

    Yields:
      ``update(completed, note)``: the amount done so far, and a few words to show
      beside the bar. Off a terminal it prints a plain line every ten seconds.
    """
    if not console.is_terminal:
        yield _plain_progress(description, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=total, note="")
        yield lambda completed, note="": bar.update(task, completed=completed, note=note)


def _plain_progress(description: str, total: float) -> Callable[[float, str], None]:
    last_line = time.monotonic()
    first: tuple[float, float] | None = None

    def update(completed: float, note: str = "") -> None:
        nonlocal first, last_line
        now = time.monotonic()
        if first is None or completed <= first[1]:  # nothing is done yet
            first = (now, completed)
        if now - last_line >= SECONDS_BETWEEN_PLAIN_LINES:
            last_line = now
            line = f"{description}: {completed / total:4.0%}  {note}"
            if first[1] < completed < total:
                seconds = (now - first[0]) * (total - completed) / (completed - first[1])
                line += f"  {format_duration(seconds)} left"
            console.print(line.rstrip())

    return update
