"""What only XLA for CPU needs: forms of convolution, loops, groups of examples, memory."""

import os

import jax
import jaxlib

# The two settings below have no effect if JAX has already started, nor on other devices.

# Dispatched synchronously, a program runs in the thread that calls it, whose memory the C library
# can keep for the next call (`jaxdl.nn.cpu.memory`); a ResNet trains a quarter faster.
jax.config.update("jax_cpu_enable_async_dispatch", False)

YNN = "--xla_cpu_experimental_ynn_fusion_type"
WITHOUT_YNN_CONVOLUTION = f"{YNN}=-LIBRARY_FUSION_TYPE_INDIVIDUAL_CONVOLUTION"
"""Keeps XLA from convolving by its library YNN, which computes the gradient of a kernel up to ten
times as slowly on processors without AVX-512. Other versions of XLA may end at an unknown flag."""
HAS_YNN = tuple(map(int, jaxlib.__version__.split(".")[:2])) in ((0, 10), (0, 11), (0, 12))
"""Whether the version of jaxlib was measured (0.10.2, 0.12.0.1), or lies in between."""

_flags = os.environ.get("XLA_FLAGS", "").strip()
_are_flags = not _flags or _flags.startswith("-")  # else XLA takes it for the name of a file
if HAS_YNN and _are_flags and YNN not in _flags:
    os.environ["XLA_FLAGS"] = f"{_flags} {WITHOUT_YNN_CONVOLUTION}".lstrip()
