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
