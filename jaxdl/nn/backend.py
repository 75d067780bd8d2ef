"""What differs by backend, all in one place.

XLA for GPUs and TPUs gets every layer in its plain form. On a CPU these differ:

- products of bfloat16, or of factors rounded to it: `jaxdl.nn.products`;
- convolutions that are wide, transposed, or inside a loop: `jaxdl.nn.convolution`;
- all other convolutions, which XLA computes without its library YNN: `jaxdl.nn.cpu`;
- attention, which is computed for a few examples at a time: `jaxdl.nn.attention`;
- a call of the compiled program makes a single train step where that is faster, and then the C
  library keeps the memory that the call frees: `jaxdl.training.epoch`, `jaxdl.nn.cpu.loops`;
- the program that draws the initial parameters runs once, and is compiled with fewer optimizations:
  `jaxdl.training.state`;
- large images are predicted in smaller batches: `jaxdl.runs.inputs`;
- products of float32 are not rounded, so that an exported program has to agree more closely:
  `experiments.export`.

A layer chooses by `by_backend`, when its program is lowered for a backend, and not by the machine
on which it is traced. So a program that is lowered for several backends has the right form on each.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.sharding import Mesh

Form = Callable[..., Any]


def by_backend(*arguments: jax.Array, cpu: Form, elsewhere: Form) -> Any:
    """Calls the form of a layer for the backend that the program is lowered for.

    Args:
      *arguments: arguments of the form.
      cpu: the form for CPUs.
      elsewhere: the form for all other backends; its results have the same shapes and dtypes.
    """
    return lax.platform_dependent(*arguments, cpu=cpu, default=elsewhere)


def is_cpu(mesh: Mesh | None = None) -> bool:
    """Whether the devices of a mesh, or those that JAX computes on by default, are CPUs."""
    platform = mesh.devices.flat[0].platform if mesh else jax.default_backend()
    return platform == "cpu"
