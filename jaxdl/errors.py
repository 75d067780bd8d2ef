"""Errors that a user can fix: one clear line, never a traceback."""


class UserError(Exception):
    """Something outside the program is wrong: a file, the network, a checkpoint.

    The message is one line that says what is wrong and how to fix it. Commands print it and
    exit with status 1.
    """

    exit_status = 1


class UsageError(UserError):
    """The command line itself is wrong. Commands exit with status 2."""

    exit_status = 2


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, at most 200 characters; its type if empty."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
