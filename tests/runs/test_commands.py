import os
import subprocess
import sys

import jax
import pytest

from jaxdl.errors import UsageError, UserError
from jaxdl.runs.commands import run_command
from jaxdl.training.interruption import InterruptedTraining


def raise_(error):
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (None, 0, ""),
        (UserError("The disk is full."), 1, "error: The disk is full.\n"),
        (UsageError("No such option."), 2, "error: No such option.\n"),
        (
            jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes."),
            1,
            "error: The memory of the device is too small (RESOURCE_EXHAUSTED: Out of memory "
            "allocating 8 bytes.): give a smaller --batch-size, or fewer inputs.\n",
        ),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (InterruptedTraining("Stopped. Resume with: ..."), 130, "Stopped. Resume with: ...\n"),
        (
            FileNotFoundError(2, "No such file or directory", "a.png"),
            1,
            "error: No such file or directory: a.png\n",
        ),
    ],
)
def test_a_command_ends_with_a_line_on_standard_error_and_a_status(capsys, error, status, line):
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: raise_(error) if error else None)
    assert (exit_.value.code, *capsys.readouterr()) == (status, "", line)


def test_an_internal_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


def run_in_shell(command, shell, **environment):
    """Runs a command as a shell does, and returns its status, standard output and error."""
    code = "from jaxdl.runs.commands import run_command, note\nimport sys\n" + command
    process = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}", sys.executable, code],
        capture_output=True,
        env=os.environ | environment,
    )
    return process.returncode, process.stdout, process.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output", "shell", "lines"),
    [
        ("print('line\\n' * 100_000)", '"$0" -c "$1" | head -1', b"line\n"),
        ("print('line')", '"$0" -c "$1" | sleep 0', b""),
        ("note('line')", '"$0" -c "$1" 2>&1 | sleep 0', b""),
    ],
)
def test_a_command_ends_in_silence_where_its_output_is_not_read(output, shell, lines):
    assert run_in_shell(f"run_command(lambda: {output})", shell) == (1, lines, b"")


def test_any_bytes_can_be_read_and_any_text_printed():
    command = "run_command(lambda: [print(sys.stdin.read()), note('\U0001f3ac')])"
    status, output, errors = run_in_shell(
        command, 'printf "\\303\\251 \\377" | "$0" -c "$1"', PYTHONIOENCODING="ascii:strict"
    )
    assert (status, output, errors) == (0, rb"\xe9 \udcff" + b"\n", rb"\U0001f3ac" + b"\n")


def test_a_closed_stream_is_an_empty_one(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit, match="0"):
        run_command(lambda: sys.stdout.write(sys.stdin.read()) and sys.stderr.write("nothing"))
