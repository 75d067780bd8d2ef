"""Loops of train steps on CPU, inside which XLA convolves about twenty times more slowly.

Many small steps run fastest in one loop on the device. Inside a loop, XLA for CPU has no fast
convolution, so `jaxdl.nn.convolve` uses matrix products there; for wide layers over large images
XLA's own convolution outside a loop is faster than these. Which of the two a model needs is
decided here, while its train step is traced, from the convolutions in it that have such a form;
`jaxdl.training.epoch` also keeps all others out of loops.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import jax

from jaxdl.nn.backend import is_cpu
from jaxdl.nn.cpu.memory import keep_freed_memory

LARGEST_PATCHES = 2**17
"""Most values in the patches of an example for which a loop pays: 512 KiB in float32."""

_inside_loop: ContextVar[bool] = ContextVar("inside_loop", default=False)
_largest_patches: ContextVar[list[int] | None] = ContextVar("largest_patches", default=None)


def trace_step(step: Callable[..., Any], *arguments: Any) -> tuple[Any, bool]:
    """Traces a train step, and decides whether on CPU many of its steps should run in one loop.

    They should, unless the patches of a convolution with stride 1 outgrow the cache: more than
    `LARGEST_PATCHES` values for an example.

    Args:
      step: a pure function; it is not run.
      arguments: arguments of the step, arrays or `jax.ShapeDtypeStruct`.

    Returns:
      The shapes of what the step returns, and whether a loop pays.
    """
    seen: list[int] = []
    token = _largest_patches.set(seen)
    try:
        shapes = jax.eval_shape(lambda *arguments: step(*arguments), *arguments)  # never cached
    finally:
        _largest_patches.reset(token)
    return shapes, max(seen, default=0) <= LARGEST_PATCHES


def note_convolution(kernel_shape: Sequence[int], strides: Sequence[int], pixels: int) -> None:
    """Reports a convolution to a `trace_step` in progress.

    Args:
      kernel_shape: (height, width, channels, features).
      strides: two integers.
      pixels: number of pixels of the output for one example.
    """
    seen = _largest_patches.get()
    if seen is not None and tuple(strides) == (1, 1):
        seen.append(pixels * math.prod(kernel_shape[:3]))


def inside_loop() -> bool:
    """Whether what is being traced is the inside of a loop."""
    return _inside_loop.get()


@contextlib.contextmanager
def tracing_loop() -> Iterator[None]:
    """Within this context, what is traced is the inside of a loop.

    The choice is not part of the cache key of ``jax.jit``: a function that is traced both inside
    and outside of a loop needs a ``jax.jit`` of its own for each.
    """
    token = _inside_loop.set(True)
    try:
        yield
    finally:
        _inside_loop.reset(token)


@contextlib.contextmanager
def tracing_steps(in_loop: bool) -> Iterator[None]:
    """Within this context, a program of train steps is traced in the form that suits it.

    Args:
      in_loop: whether a call makes many steps, in a loop; otherwise it makes one, and on CPU the
        C library is told to keep, for the next call, the memory that a call frees.
    """
    if in_loop:
        with tracing_loop():
            yield
    else:
        if is_cpu():
            keep_freed_memory()
        yield
