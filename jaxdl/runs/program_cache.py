"""The directory of compiled programs, with which a second start compiles nothing."""

import warnings
from typing import Any

import jax

from jaxdl.console import note
from jaxdl.files import expand_home

PROGRAM_CACHE = expand_home("~/.cache/jaxdl/programs")
WARNING_OF_JAX = "persistent compilation cache"


def cache_compiled_programs() -> None:
    """Keeps every compiled program on disk, so that a second start compiles nothing.

    The directory is the user's own unless JAX_COMPILATION_CACHE_DIR names another. Do not share it
    with people you do not trust, since it holds machine code.
    """
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(PROGRAM_CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    _replace_warnings(jax.config.jax_compilation_cache_dir)


def _replace_warnings(directory: str) -> None:
    """Reports once what JAX reports for each program: that the cache is full, or damaged."""
    show, reported = warnings.showwarning, False

    def showwarning(message: Any, *details: Any, **more: Any) -> None:
        nonlocal reported
        if WARNING_OF_JAX not in str(message):
            show(message, *details, **more)
        elif not reported:
            reported = True
            reason = str(message).partition("': ")[2]
            note(
                f"Compiled programs cannot be kept in {directory} or read from it ({reason}), so "
                "this run compiles them again: free some space there, or remove the directory."
            )

    warnings.showwarning = showwarning
