import subprocess
import sys

import jax
import pytest

from jaxdl.runs.program_cache import cache_compiled_programs

PROGRAM = """
import sys, warnings
import jax
from jaxdl.runs.program_cache import cache_compiled_programs

cache_compiled_programs()
print(jax.jit(lambda x: x + 1)(1), jax.jit(lambda x: x * 3)(1))
warnings.warn("another")
"""


def test_the_directory_of_compiled_programs_is_the_users_choice(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path))
        cache_compiled_programs()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def run(directory, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(directory))
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2 3\n")
    return [line for line in done.stderr.splitlines() if "another" not in line], done.stderr


@pytest.mark.slow
def test_a_damaged_cache_of_programs_costs_one_line(tmp_path, monkeypatch):
    lines, _ = run(tmp_path, monkeypatch)
    assert lines == []
    programs = list(tmp_path.glob("*-cache"))
    assert len(programs) >= 2
    for program in programs:
        program.write_bytes(b"damaged")
    (line,), everything = run(tmp_path, monkeypatch)
    assert str(tmp_path) in line and "remove the directory" in line
    assert "UserWarning: another" in everything
