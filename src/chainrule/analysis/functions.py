"""Elementary functions of numbers and of traced variables, for functions that `trace` follows.

>>> sigmoid(0.0), relu(-2.0)
(0.5, 0.0)
"""

from __future__ import annotations

from typing import Any

from chainrule.analysis.tracing.variable import call_function

__all__ = ["cos", "exp", "log", "maximum", "minimum", "relu", "sigmoid", "sin", "softplus", "sqrt", "tan", "tanh"]


def exp(x: Any) -> Any:
    """eˣ."""
    return call_function("exp", x)


def log(x: Any) -> Any:
    """ln x, for x > 0."""
    return call_function("log", x)


def sigmoid(x: Any) -> Any:
    """1/(1 + e⁻ˣ)."""
    return call_function("sigmoid", x)


def softplus(x: Any) -> Any:
    """ln(1 + eˣ)."""
    return call_function("softplus", x)


def relu(x: Any) -> Any:
    """max(x, 0); its derivative at 0 is taken as 0."""
    return call_function("relu", x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return call_function("tanh", x)


def sin(x: Any) -> Any:
    """The sine of x radians."""
    return call_function("sin", x)


def cos(x: Any) -> Any:
    """The cosine of x radians."""
    return call_function("cos", x)


def tan(x: Any) -> Any:
    """The tangent of x radians."""
    return call_function("tan", x)


def sqrt(x: Any) -> Any:
    """√x, for x >= 0."""
    return call_function("sqrt", x)


def maximum(a: Any, b: Any) -> Any:
    """The larger of two numbers; of equal ones the first gets the gradient, as in max pooling."""
    return call_function("max", a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two numbers; of equal ones the first gets the gradient."""
    return call_function("min", a, b)
