"""Equations in text: `z1 = w1*x1 + w2*x2; a = sigmoid(z1); L = (a - t)^2`.

Equations are parted by semicolons or line ends and may stand in any order. Each is read by Python's own parser into a
syntax tree, of which only arithmetic, names, numbers and the listed functions are allowed: nothing is ever executed.
^ and ** are powers; ·, × and − are read as * and -, ² and ³ as powers.
"""

from __future__ import annotations

import ast
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.analysis.tracing.operations import FUNCTIONS
from chainrule.analysis.tracing.variable import Variable, apply
from chainrule.errors import ConfigError, DataError, shown, unknown

MAX_LENGTH, MAX_NODES = 20_000, 2_000
WRITTEN = {"^": "**", "·": "*", "×": "*", "⋅": "*", "−": "-", "–": "-", "²": "**2", "³": "**3"}
CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
BINARY: Mapping[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
}


@dataclass(frozen=True)
class Equation:
    """One equation: the name on its left (None for a formula alone) and the tree of its right side.

    text: as Python reads it, for messages.
    """

    name: str | None
    tree: ast.expr
    text: str

    def refuse(self, problem: str, node: ast.AST) -> ConfigError:
        """The error for a part of the equation that cannot be used."""
        column = len(self.text.encode()[: getattr(node, "col_offset", 0)].decode()) + 1
        return _error(problem, self.text, column)


def parse_equations(text: str) -> list[Equation]:
    """The equations of `text`, or a `ConfigError` with the place of the first mistake, marked by a caret."""
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"trace: equations may have {MAX_LENGTH:,} characters at most, got {len(text):,}")
    parts = [part.split("#")[0].strip() for line in text.splitlines() for part in line.split(";")]
    equations = [_parse(part) for part in parts if part]
    if not equations:
        raise ConfigError("trace: expected equations such as 'z = w*x + b; L = (z - t)^2', got none")
    if sum(sum(1 for _ in ast.walk(e.tree)) for e in equations) > MAX_NODES:
        raise ConfigError(f"trace: equations may have {MAX_NODES:,} parts at most")
    return equations


def _parse(text: str) -> Equation:
    written = "".join(WRITTEN.get(c, c) for c in unicodedata.normalize("NFC", text))
    try:
        body = ast.parse(written, mode="exec").body
    except SyntaxError as error:
        column = 1 if error.offset is None else error.offset
        raise _error(_plain(error.msg), written, column) from None
    except (ValueError, RecursionError, MemoryError):
        raise ConfigError("trace: an equation is nested too deeply, or holds a null character") from None
    statement = body[0]
    if len(body) == 1 and isinstance(statement, ast.Expr):
        return Equation(None, statement.value, written)
    if len(body) == 1 and isinstance(statement, ast.Assign):
        target = statement.targets[0]
        equation = Equation(target.id if isinstance(target, ast.Name) else None, statement.value, written)
        if len(statement.targets) > 1 or not isinstance(target, ast.Name):
            raise equation.refuse("the left side must be one name", statement)
        if target.id in FUNCTIONS and target.id not in ("σ", "sigma"):
            raise equation.refuse(f"{target.id} is the name of a function", target)
        return equation
    raise Equation(None, ast.Constant(0), written).refuse("expected NAME = FORMULA", statement)


def _plain(message: str) -> str:
    """Python's message for people who did not know that they wrote Python."""
    first = message.split(". ")[0].strip()
    if "decimal literal" in first:
        return "a number runs into a name; write 2*x for a product"
    if "cannot assign" in first:
        return "the left side must be one name"
    return "cannot be read here" if "syntax" in first or "'=='" in first else first


def _error(problem: str, text: str, column: int) -> ConfigError:
    """One line, with a caret in front of the place."""
    column = min(max(column, 1), len(text) + 1)
    part, start = text, 0
    if len(text) > 80:  # the surroundings of the place
        start = max(column - 40, 0)
        part = text[start : start + 80]
    at = column - 1 - start
    return ConfigError(f"trace: in the equations: {problem}, at column {column} (the caret): {part[:at]}^{part[at:]}")


def evaluate(equations: list[Equation], values: Mapping[str, float]) -> dict[str, Variable]:
    """Every name's variable, in the order of the equations; the formula without a name is called "out".

    Raises `ConfigError` for names that are unknown, unused, set and defined, defined twice, or defined in a circle.
    """
    given = {unicodedata.normalize("NFKC", name): value for name, value in values.items()}
    defined: dict[str, Equation] = {}
    for i, equation in enumerate(equations):
        name = equation.name
        if name is None:
            if i < len(equations) - 1:
                raise equation.refuse("only the last formula may do without a name", equation.tree)
            name = next(n for n in ("out", "result", "_out") if n not in given and n not in defined)
        if name in defined:
            raise equation.refuse(f"{name} is defined twice", equation.tree)
        if name in given:
            raise ConfigError(f"trace: {name} is both set and defined, by {equation.text}")
        defined[name] = equation
    known = {name: Variable(value, name=name) for name, value in given.items()}
    reader = _Reader(defined, known)
    for name in defined:
        reader.define(name)
    used = {n.id for e in equations for n in ast.walk(e.tree) if isinstance(n, ast.Name)}
    for name in given:
        if name not in used:
            raise ConfigError(f"trace: {name} is set, but stands in no equation; names: {', '.join(sorted(used))}")
    return known


class _Reader:
    """Walks the trees; a name's equation is evaluated when the name is first needed."""

    def __init__(self, defined: Mapping[str, Equation], known: dict[str, Variable]) -> None:
        self.defined, self.known = defined, known
        self.path: list[str] = []

    def define(self, name: str) -> Variable:
        """The variable of a name that has an equation."""
        if name in self.known:
            return self.known[name]
        if name in self.path:
            circle = [*self.path[self.path.index(name) :], name]
            raise ConfigError(f"trace: a cycle: {' needs '.join(circle)}")
        self.path.append(name)
        equation = self.defined[name]
        try:
            value = self.read(equation.tree, equation)
        except RecursionError:
            raise ConfigError("trace: equations are nested too deeply") from None
        except DataError as error:
            where = f", in {equation.text}"
            raise DataError(str(error) if where in str(error) or ", in " in str(error) else f"{error}{where}") from None
        self.path.pop()
        self.known[name] = value.named(name)
        return self.known[name]

    def read(self, node: ast.expr, equation: Equation) -> Variable:
        """The variable of a tree."""
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._number(value, node, equation)
            case ast.Name(id=name):
                return self._name(name, node, equation)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, equation)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return apply("neg", self.read(operand, equation))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return apply(BINARY[type(op)], self.read(left, equation), self.read(right, equation))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments, node, equation)
        raise equation.refuse("only numbers, names, + - * / ^ and functions can be traced", node)

    def _number(self, value: float, node: ast.expr, equation: Equation) -> Variable:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise equation.refuse("the number is too large", node)
        return Variable(number, constant=True)

    def _name(self, name: str, node: ast.expr, equation: Equation) -> Variable:
        if name in self.known or name in self.defined:
            return self.define(name)
        if name in CONSTANTS:
            return Variable(CONSTANTS[name], constant=True)
        if name in FUNCTIONS:
            raise equation.refuse(f"{name} is a function and needs an argument, {name}(...)", node)
        raise equation.refuse(f"unknown name {shown(name)}; give its value with --set {name[:60]}=NUMBER", node)

    def _call(self, name: str, arguments: list[ast.expr], node: ast.expr, equation: Equation) -> Variable:
        if name not in FUNCTIONS:
            raise equation.refuse(str(unknown("function", name, FUNCTIONS)), node)
        key = FUNCTIONS[name]
        expected = "two or more arguments" if key in ("max", "min") else "one argument"
        if len(arguments) < 2 if key in ("max", "min") else len(arguments) != 1:
            raise equation.refuse(f"{name} takes {expected}, got {len(arguments)}", node)
        value, *others = (self.read(a, equation) for a in arguments)
        if key not in ("max", "min"):
            return apply(key, value)
        for other in others:
            value = apply(key, value, other)
        return value


def parse_value(text: str) -> tuple[str, float]:
    """NAME=NUMBER; the number may be a formula without names, such as 1/3 or 2*pi.

    >>> parse_value("w1 = -1/4")
    ('w1', -0.25)
    """
    name, equals, formula = text.partition("=")
    name = unicodedata.normalize("NFKC", name.strip())
    if not equals or not name.isidentifier():
        raise ConfigError(f"trace: --set needs NAME=NUMBER, such as x1=0.5, got {text!r}")
    if not formula.strip():
        raise ConfigError(f"trace: --set {name} needs a number")
    (equation,) = [Equation(None, e.tree, e.text) for e in parse_equations(formula)][:1]
    (value,) = evaluate([equation], {}).values()
    return name, value.value
