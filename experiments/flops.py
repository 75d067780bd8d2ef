"""How much arithmetic a function does, counted in its jaxpr.

The cost analysis of XLA's compiler counts the body of a loop once, however often it runs, and
counts the form that a backend chose, not the definition. So it is counted here: products
and sums of matrix products and convolutions, loops as often as they run, and of the forms
that `jax.lax.platform_dependent` chooses from the default one.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core


def count_flops(function: Callable[..., Any], *arguments: Any) -> int:
    """Floating-point operations of ``function(*arguments)``, a product and a sum counted as two.

    Of a ``while`` loop, whose length nobody knows, the body counts once.
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
    """Products with padding count; those with the zeros between dilated pixels do not."""
    parameters = equation.params
    kernel = equation.invars[1].aval.shape
    window = [kernel[axis] for axis in parameters["dimension_numbers"].rhs_spec[1:]]
    output = equation.outvars[0].aval.shape
    return 2 * math.prod(output) * math.prod(window) // math.prod(parameters["lhs_dilation"])


def _inner_jaxprs(parameters: dict[str, Any]) -> list[core.Jaxpr]:
    leaves = jax.tree.leaves(list(parameters.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns"))
    inner = [leaf.jaxpr if isinstance(leaf, core.ClosedJaxpr) else leaf for leaf in leaves]
    return [jaxpr for jaxpr in inner if isinstance(jaxpr, core.Jaxpr)]
