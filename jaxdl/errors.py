"""Errors that a user can fix: one clear line, never a traceback."""

import re

UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal would obey (controls, changes of direction), and bytes that are not text."""


def printable(text: str) -> str:
    """Writes as in a string of Python what could not be printed, or would act on a terminal."""
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


class UserError(Exception):
    """Something outside the program is wrong: a file, the network, a checkpoint.

    The message is one line that says what is wrong and how to fix it, whatever it quotes. Commands
    print it and exit with status 1.
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
    """What a file holds is not what it should be; trying again does not help."""


def one_line(text: str) -> str:
    """Turns what a stranger says, such as a server, into one short line of printable characters."""
    visible = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(visible.split())[:200]


def reason_of(error: BaseException) -> str:
    """Returns why something failed in a few words: the system's, or the first line of a message."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    of_the_system = re.search(r"([^:]+) \[os_error_code=", str(error))  # as TensorStore says it
    if of_the_system:
        return of_the_system[1].strip()
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
