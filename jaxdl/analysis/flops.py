"""Counts the floating-point operations (FLOPs) of a function in its jaxpr.

The cost analysis of XLA's compiler counts the body of a loop once, however often it runs, and
it counts the implementation that a backend chose, not the definition. This module counts the
multiplications and additions of matrix products and convolutions instead, multiplies the body
of a scan by its length, and takes the last branch of `jax.lax.cond` and `jax.lax.switch`, which
is the default one of `jax.lax.platform_dependent`.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core


def count_flops(function: Callable[..., Any], *arguments: Any) -> int:
    """Counts the FLOPs of ``function(*arguments)``; a multiplication and an addition are two.

    The body of a ``while`` loop counts once, because its number of iterations is unknown.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: core.Jaxpr) -> int:
    return sum(map(_count_equation, jaxpr.eqns))


def _count_equation(equation: core.JaxprEqn) -> int:
    name, parameters = equation.primitive.name, equation.params
    output = equation.outvars[0].aval.shape if equation.outvars else ()
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return 2 * math.prod(output) * math.prod(left[axis] for axis in contracted)
    if name == "conv_general_dilated":
        return _count_convolution(equation)
    if name == "cond":
        return _count(parameters["branches"][-1].jaxpr)
    times = parameters["length"] if name == "scan" else 1
    return times * sum(_count(inner) for inner in _inner_jaxprs(parameters))


def _count_convolution(equation: core.JaxprEqn) -> int:
    """Counts products with padding, but not those with the zeros between dilated pixels."""
    parameters = equation.params
    kernel = equation.invars[1].aval.shape
    window = [kernel[axis] for axis in parameters["dimension_numbers"].rhs_spec[1:]]
    output = equation.outvars[0].aval.shape
    return 2 * math.prod(output) * math.prod(window) // math.prod(parameters["lhs_dilation"])


def _inner_jaxprs(parameters: dict[str, Any]) -> list[core.Jaxpr]:
    leaves = jax.tree.leaves(list(parameters.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns"))
    inner = [leaf.jaxpr if isinstance(leaf, core.ClosedJaxpr) else leaf for leaf in leaves]
    return [jaxpr for jaxpr in inner if isinstance(jaxpr, core.Jaxpr)]
