"""Precision of the computation: the dtype of modules, and that of matrix products inside them.

On GPUs and TPUs, products of float32 arrays are computed from factors that are rounded to TF32 or
bfloat16 (``jax.default_matmul_precision``), unless JAX is asked for the highest precision, which is
slower. With "bfloat16-products", the dense and recurrent layers of this project, and on a CPU most
of its convolutions, round the factors of products to bfloat16 if there is only one device, and
compute all else in float32. Parameters are always float32.
"""

import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Literal, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.errors import UsageError, UserError
from jaxdl.nn.precision import rounding_factors

Function = TypeVar("Function", bound=Callable[..., Any])
Precision = Literal["float32", "float32-highest", "bfloat16", "bfloat16-products"]
HIGHEST = "float32-highest"
CONTEXTS = {
    HIGHEST: partial(jax.default_matmul_precision, "highest"),
    "bfloat16-products": rounding_factors,
}
"""Contexts within which a function is traced if its products are not to be JAX's default ones."""
FIRST_WITH_BFLOAT16 = 8.0
"""Compute capability of the first GPUs whose instructions multiply bfloat16."""


def dtype_of(precision: Precision) -> jnp.dtype:
    """Returns the dtype of the computation."""
    return jnp.dtype(jnp.bfloat16 if precision == "bfloat16" else jnp.float32)


def supports(device: jax.Device, precision: Precision) -> bool:
    """Whether a device computes in this precision: GPUs before Ampere do not multiply bfloat16."""
    capability = str(getattr(device, "compute_capability", ""))
    of_nvidia = re.fullmatch(r"\d+\.\d+", capability)
    is_old = of_nvidia is not None and float(capability) < FIRST_WITH_BFLOAT16
    return not (is_old and precision.startswith("bfloat16"))


def require_precision(precision: Precision, device: jax.Device) -> None:
    """Raises a UsageError if the device does not multiply in this precision."""
    if not supports(device, precision):
        raise UsageError(
            f"--precision is {precision}, which {device.device_kind} does not multiply: choose "
            "float32."
        )


def with_products(function: Function, precision: Precision) -> Function:
    """Wraps a function so that, when it is traced, its products get their precision."""
    if precision not in CONTEXTS:
        return function

    @wraps(function)
    def traced(*arguments: Any, **options: Any) -> Any:
        with CONTEXTS[precision]():
            return function(*arguments, **options)

    return traced


def with_dtype(model: nn.Module, precision: Precision) -> nn.Module:
    """Returns the module with the dtype of the precision.

    Raises:
      UserError: it has no field ``dtype`` to be set, or one that was set to another dtype.
    """
    dtype = dtype_of(precision)
    own = jnp.dtype(getattr(model, "dtype", None) or jnp.float32)
    if own == dtype:
        return model
    name = type(model).__name__
    if own != jnp.float32:
        raise UserError(f"{name} computes in {own}, but the precision is {precision}: set it too.")
    if not hasattr(model, "dtype"):
        raise UserError(f"{name} has no field dtype, so its precision must be float32.")
    return model.clone(dtype=dtype)
