"""Errors that a user can fix: one clear line, never a traceback."""

import re

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line breaks, changes of text direction, surrogates (undecodable bytes)."""


def printable(text: str) -> str:
    """Escapes, as in a Python string, what cannot be printed or would control the terminal."""
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


class UserError(Exception):
    """Something outside the program is wrong: a file, the network, a checkpoint.

    The message says what is wrong and how to fix it, in one line: line breaks in what it quotes are
    escaped. Commands print it and exit with status 1.
    """

    exit_status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class InUseError(UserError):
    """Another process uses a directory."""


class UsageError(UserError):
    """The command line itself is wrong. Commands exit with status 2."""

    exit_status = 2


class BrokenFileError(UserError):
    """A file is missing, or its content is not what it should be; trying again does not help."""


def one_line(text: str) -> str:
    """Turns untrusted text, such as a server's, into a line of at most 200 printable characters."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:200]


def reason_of(error: BaseException) -> str:
    """Returns why something failed: the system's reason, or else the first line of the message."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    of_the_system = re.search(r"([^:]+) \[os_error_code=", str(error))  # as TensorStore says it
    if of_the_system:
        return of_the_system[1].strip()
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
