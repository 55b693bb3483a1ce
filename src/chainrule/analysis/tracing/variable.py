"""Numbers that remember how they were made: what a traced function is called with.

Arithmetic on a `Variable`, the functions of `chainrule.analysis.functions` and NumPy's functions of the same names
give variables. Comparisons compare the values, so a traced function may branch; the trace is that of the branch taken.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.analysis.tracing.operations import FUNCTIONS, OPERATIONS, Operation
from chainrule.analysis.tracing.term import Term, number, variable
from chainrule.errors import ConfigError, DataError, DTypeError, describe

#: NumPy's functions that have a counterpart in the list of operations.
UFUNCS = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "negative": "neg",
    "power": "pow",
    "float_power": "pow",
    "square": "square",
    "absolute": "abs",
    "fabs": "abs",
    "maximum": "max",
    "minimum": "min",
    "fmax": "max",
    "fmin": "min",
    **{name: name for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh")},
}


class Variable:
    """A number, the operation that made it and that operation's arguments; an input or a constant has none.

    >>> from chainrule.analysis.functions import sigmoid
    >>> z = sigmoid(Variable(0.0, name="x")) * 2
    >>> z.value, z.operation.key
    (1.0, 'mul')
    """

    __slots__ = ("args", "constant", "name", "operation", "value")

    def __init__(
        self,
        value: float,
        operation: Operation | None = None,
        args: tuple[Variable, ...] = (),
        *,
        name: str | None = None,
        constant: bool = False,
    ) -> None:
        self.value, self.operation, self.args = float(value), operation, args
        self.name, self.constant = name, constant

    def named(self, name: str) -> Variable:
        """The variable under a name, an identifier; a constant becomes an input, a second name a node of its own."""
        if not isinstance(name, str) or not name.isidentifier():
            raise ConfigError(f"trace: the name of a variable must be an identifier such as z1, got {name!r}")
        if self.constant:
            return Variable(self.value, name=name)
        if self.name is not None:
            return self if self.name == name else apply("identity", self).named(name)
        self.name = name
        return self

    def shown(self) -> Term:
        """Its name, or its value where it has none: for messages."""
        return number(self.value) if self.name is None else variable(self.name)

    def __add__(self, other: Any) -> Any:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary("div", other, self)

    def __pow__(self, other: Any) -> Any:
        return _binary("pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _binary("pow", other, self)

    def __neg__(self) -> Variable:
        return apply("neg", self)

    def __pos__(self) -> Variable:
        return self

    def __abs__(self) -> Variable:
        return apply("abs", self)

    def __lt__(self, other: Any) -> bool:
        return self.value < _value(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= _value(other)

    def __bool__(self) -> bool:
        return self.value != 0

    def __float__(self) -> float:
        raise DTypeError(
            "trace: a traced number became a plain one, and its history would be lost; use NumPy's functions or those "
            "of chainrule.analysis.functions instead of math's"
        )

    def __repr__(self) -> str:
        return f"Variable({self.value!r})" if self.name is None else f"Variable({self.value!r}, name={self.name!r})"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return through_numpy(ufunc, method, *inputs, **options)

    # NumPy calls these on the elements of object arrays.
    def exp(self) -> Variable:
        """eˣ."""
        return apply("exp", self)

    def log(self) -> Variable:
        """ln x."""
        return apply("log", self)

    def sqrt(self) -> Variable:
        """√x."""
        return apply("sqrt", self)

    def sin(self) -> Variable:
        """sin x."""
        return apply("sin", self)

    def cos(self) -> Variable:
        """cos x."""
        return apply("cos", self)

    def tan(self) -> Variable:
        """tan x."""
        return apply("tan", self)

    def tanh(self) -> Variable:
        """tanh x."""
        return apply("tanh", self)


class Variables(np.ndarray[Any, Any]):
    """An array of variables and numbers, on which NumPy's functions and @ work as on numbers."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What NumPy calls for each of its functions."""
        return through_numpy(ufunc, method, *inputs, **options)


def through_numpy(ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """A NumPy function of variables and arrays of them, element by element; sums and products of matrices too."""
    arrays = [_objects(v) for v in inputs]
    if ufunc.__name__ in ("less", "less_equal", "greater", "greater_equal") and method == "__call__":
        return ufunc(*(np.vectorize(_value, otypes=[float])(a) for a in arrays))
    if method != "__call__" or ufunc.__name__ == "matmul":  # these are made of + and ·, or of comparisons
        options = {key: _objects(value) if key == "out" else value for key, value in options.items()}
        return _result(getattr(ufunc, method)(*arrays, **options))
    key = UFUNCS.get(ufunc.__name__)
    if key is None or options:
        known = ", ".join(f"numpy.{n}" for n in UFUNCS)
        what = f"numpy.{ufunc.__name__}" + (f" with {', '.join(options)}" if options else "")
        raise ConfigError(f"trace: {what} cannot be traced; known: {known}")
    exponent = (2,) if key == "square" else ()
    out = np.empty(np.broadcast_shapes(*(a.shape for a in arrays)), dtype=object)
    for i, values in enumerate(zip(*(np.broadcast_to(a, out.shape).flat for a in arrays), strict=True)):
        out.flat[i] = apply("pow" if exponent else key, *values, *exponent)
    return _result(out)


def _objects(value: Any) -> Any:
    """Any value as a plain array of objects."""
    if isinstance(value, Variable):
        box = np.empty((), dtype=object)
        box[()] = value
        return box
    return np.asarray(value, dtype=object).view(np.ndarray)


def _result(out: Any) -> Any:
    if not isinstance(out, np.ndarray):
        return out
    return out[()] if out.ndim == 0 else out.view(Variables)


def _binary(key: str, a: Any, b: Any) -> Any:
    for other in (a, b):
        if getattr(other, "ndim", 0):  # an array: NumPy goes through it and comes back with its elements
            return NotImplemented
    return apply(key, a, b)


def _value(other: Any) -> float:
    return as_variable(other).value


def as_variable(value: Any, where: str = "trace") -> Variable:
    """A number as a constant; variables as they are; for anything else a typed error that begins with `where`."""
    if isinstance(value, Variable):
        return value
    scalar = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    if isinstance(scalar, Variable):
        return scalar
    if isinstance(scalar, bool) or not isinstance(scalar, (int, float)):
        raise DTypeError(f"{where}: expected a number or a traced variable, got {describe(value)}")
    try:
        number = float(scalar)
    except OverflowError:
        raise DataError(f"{where}: expected a finite number, got one too large for a float") from None
    if not math.isfinite(number):
        raise DataError(f"{where}: expected a finite number, got {value!r}")
    return Variable(number, constant=True)


def apply(key: str, *arguments: Any) -> Variable:
    """The result of an operation on variables and numbers; a `DataError` where it has none."""
    operation = OPERATIONS[key]
    args = tuple(map(as_variable, arguments))
    try:
        value = operation.value(*(a.value for a in args))
    except ZeroDivisionError:
        raise _undefined(operation, args, "division by zero") from None
    except OverflowError:
        raise _undefined(operation, args, "the result is too large for a float") from None
    except ValueError:
        raise _undefined(operation, args, f"{operation.symbol} needs {operation.domain}") from None
    if not math.isfinite(value):
        raise _undefined(operation, args, "the result is too large for a float")
    return Variable(value, operation, args, constant=all(a.constant for a in args))


def _undefined(operation: Operation, args: tuple[Variable, ...], why: str) -> DataError:
    formula = operation.term(*(a.shown() for a in args)).text
    at = ", ".join(f"{a.name} = {a.value:.6g}" for a in args if a.name is not None)
    return DataError(f"trace: {formula} has no value{f' at {at}' if at else ''}: {why}")


def call_function(name: str, *arguments: Any) -> Any:
    """A function by its name in text: on plain numbers a number, else a variable."""
    result = apply(FUNCTIONS[name], *arguments)
    return result if any(isinstance(a, Variable) for a in arguments) else result.value
