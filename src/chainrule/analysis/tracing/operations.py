"""The explicit list of elementary operations: each with its value and its partial derivatives, written once.

A partial derivative is a function of the result and the arguments. With numbers it gives the derivative's value, with
terms its formula; `functions` does the same for the functions that stand in derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.analysis.tracing.term import Term, call, minus, negative, over, plus, power, times


@dataclass(frozen=True)
class Operation:
    """An elementary operation of one or two arguments.

    symbol: its name in formulas. partials: one function (result, *arguments) an argument. domain: what arguments the
    operation needs, for messages. write: the formula; by default a call.
    """

    key: str
    symbol: str
    value: Callable[..., float]
    partials: tuple[Callable[..., Any], ...]
    domain: str = ""
    latex: str = ""
    write: Callable[..., Term] | None = None

    def term(self, *arguments: Term) -> Term:
        """The formula of the operation on `arguments`."""
        if self.write is not None:
            return self.write(*arguments)
        return call(self.symbol, self.latex if self.latex else rf"\{self.key}", *arguments)

    def partial(self, i: int, result: Any, arguments: tuple[Any, ...]) -> Any:
        """∂result/∂argument i: a number for numbers, a formula for terms."""
        return self.partials[i](result, *arguments)


# -- functions of numbers and of terms alike ---------------------------------------------------------------------------


def _either(numeric: Callable[..., float], name: str, latex: str) -> Callable[..., Any]:
    def function(*arguments: Any) -> Any:
        if any(isinstance(a, Term) for a in arguments):
            return call(name, latex, *arguments)
        return numeric(*arguments)

    return function


def _sign(a: float) -> float:
    return float(a > 0) - float(a < 0)


def _sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a)) if a > -700 else math.exp(a)


def _softplus(a: float) -> float:
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


def _power(a: float, b: float) -> float:
    result = a**b
    if isinstance(result, complex):
        raise ValueError
    return float(result)


def _log_of_base(result: Any, a: Any, b: Any) -> Any:
    """a^b ln a; 0 at a = 0, its limit."""
    return 0.0 if not isinstance(a, Term) and a == 0 else result * _log(a)


def _power_slope(result: Any, a: Any, b: Any) -> Any:
    if isinstance(b, Term):
        exponent = {"2": Term("1", "1"), "3": Term("2", "2")}.get(b.text, b - 1)
        return b * a**exponent
    return 0.0 if b == 0 else b * a ** (b - 1)


def _holds(symbol: str, latex: str, test: Callable[[float, float], bool]) -> Callable[[Any, Any], Any]:
    """The indicator [a > b]."""

    def indicator(a: Any, b: Any) -> Any:
        if isinstance(a, Term) or isinstance(b, Term):
            left, right = (v if isinstance(v, Term) else Term(f"{v:g}", f"{v:g}") for v in (a, b))
            return Term(f"[{left.text} {symbol} {right.text}]", rf"[{left.latex} {latex} {right.latex}]")
        return float(test(a, b))

    return indicator


_cos, _sin = _either(math.cos, "cos", r"\cos"), _either(math.sin, "sin", r"\sin")
_log, _sign_of = _either(math.log, "ln", r"\ln"), _either(_sign, "sign", r"\mathrm{sign}")
_sigma = _either(_sigmoid, "σ", r"\sigma")
_greater = _holds(">", ">", lambda a, b: a > b)
_not_less = _holds("≥", r"\geq", lambda a, b: a >= b)


def _root(a: Term) -> Term:
    return Term(f"√({a.text})" if a.level < 3 else f"√{a.text}", rf"\sqrt{{{a.latex}}}", 3)


# fmt: off
LIST = (
    Operation("add", "+", lambda a, b: a + b, (lambda y, a, b: 1.0, lambda y, a, b: 1.0), write=plus),
    Operation("sub", "−", lambda a, b: a - b, (lambda y, a, b: 1.0, lambda y, a, b: -1.0), write=minus),
    Operation("mul", "×", lambda a, b: a * b, (lambda y, a, b: b, lambda y, a, b: a), write=times),
    Operation("div", "÷", lambda a, b: a / b, (lambda y, a, b: 1 / b, lambda y, a, b: -a / b**2),
              write=over),
    Operation("neg", "−", lambda a: -a, (lambda y, a: -1.0,), write=negative),
    Operation("pow", "^", _power, (_power_slope, _log_of_base), "a base >= 0, or a whole exponent",
              write=power),
    Operation("exp", "exp", math.exp, (lambda y, a: y,)),
    Operation("log", "ln", math.log, (lambda y, a: 1 / a,), "an argument > 0", r"\ln"),
    Operation("sqrt", "√", math.sqrt, (lambda y, a: 1 / (2 * y),), "an argument >= 0", write=_root),
    Operation("sin", "sin", math.sin, (lambda y, a: _cos(a),)),
    Operation("cos", "cos", math.cos, (lambda y, a: -_sin(a),)),
    Operation("tan", "tan", math.tan, (lambda y, a: 1 + y**2,)),
    Operation("tanh", "tanh", math.tanh, (lambda y, a: 1 - y**2,)),
    Operation("sigmoid", "σ", _sigmoid, (lambda y, a: y * (1 - y),), latex=r"\sigma"),
    Operation("softplus", "softplus", _softplus, (lambda y, a: _sigma(a),), latex=r"\mathrm{softplus}"),
    Operation("relu", "relu", lambda a: max(a, 0.0), (lambda y, a: _greater(a, 0),), latex=r"\mathrm{relu}"),
    Operation("abs", "abs", abs, (lambda y, a: _sign_of(a),), latex=r"\mathrm{abs}"),
    Operation("max", "max", max, (lambda y, a, b: _not_less(a, b), lambda y, a, b: _greater(b, a))),
    Operation("min", "min", min, (lambda y, a, b: _not_less(b, a), lambda y, a, b: _greater(a, b))),
    Operation("identity", "=", lambda a: a, (lambda y, a: 1.0,), write=lambda a: a),
)
# fmt: on

#: Every operation by its key.
OPERATIONS: Mapping[str, Operation] = {operation.key: operation for operation in LIST}

#: What functions are called in text and in Python.
FUNCTIONS: Mapping[str, str] = {
    **{key: key for key in OPERATIONS if key not in ("add", "sub", "mul", "div", "neg", "pow", "identity")},
    "ln": "log",
    "sigma": "sigmoid",
    "σ": "sigmoid",
    "logistic": "sigmoid",
    "ReLU": "relu",
}
