import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("imported", ["jaxdl.runs", "jax._src", "flax.linen"])
def test_ctrl_c_while_a_command_is_imported_ends_it_at_once_and_quietly(imported):
    command = [sys.executable, "-X", "importtime", "-m", "experiments.cnn", "--help"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:  # one for each module, as soon as it has been imported
            if imported in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in rest
