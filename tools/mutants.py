"""Faults to plant: every small change of the arithmetic of a function, made on its syntax tree.

A mutant is one changed node of one function. The whole module is compiled with it, and the code object of that one
function is put into the function that everybody already holds: classes, instances, registries and tests see the fault
without being imported again.
"""

from __future__ import annotations

import ast
import copy
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

#: Methods that are declarations, checks of arguments or messages, not arithmetic of a pass.
LEFT_OUT = {"_check", "examples", "cost", "__post_init__", "check_scores", "check_targets", "name", "__repr__"}
#: Calls that only check or describe; nothing inside them is changed.
CHECKS = ("require_", "_require", "check", "describe", "unknown", "as_layers")

BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
NAMES = {
    "maximum": "minimum",
    "minimum": "maximum",
    "max": "min",
    "min": "max",
    "argmax": "argmin",
    "sum": "mean",
    "mean": "sum",
    "zeros": "ones",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "expm1": "exp",
    "log1p": "log",
    "floor": "ceil",
    "cos": "sin",
    "tanh": "sin",
}


@dataclass(frozen=True)
class Mutant:
    """One fault: where it is, the statement before and after, and the module's tree with it."""

    path: Path
    function: str
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What identifies the fault in the list of equivalent ones; without the line, which other edits move."""
        return (str(self.path.relative_to(ROOT)), self.function, self.before, self.after)

    def code(self) -> types.CodeType:
        """The code object of the changed function."""
        return next(c for c in _codes(compile(self.tree, str(self.path), "exec")) if c.co_qualname == self.function)


def mutants_of(path: Path, functions: set[str]) -> list[Mutant]:
    """Every mutant of the functions of `path` with these qualified names."""
    source = path.read_text()
    result, seen = [], set()
    for function in sorted(functions):
        count = len(list(_sites(_find(ast.parse(source), function))))
        for site in range(count):
            for variant in range(9):
                tree = ast.parse(source)
                owner = _find(tree, function)
                node, parent, field, index, statement = list(_sites(owner))[site]
                before = ast.unparse(statement).strip()
                options = list(_variants(node, parent))
                if variant >= len(options):
                    break
                new = options[variant]
                if index is not None:
                    getattr(parent, field)[index] = new
                else:
                    setattr(parent, field, new)
                after = (
                    "pass"
                    if node is statement and isinstance(new, ast.Pass)
                    else ast.unparse(_same(owner, statement, new, node))
                )
                mutant = Mutant(
                    path, function, statement.lineno, _head(before), _head(after), ast.fix_missing_locations(tree)
                )
                if mutant.before != mutant.after and mutant.key not in seen:
                    seen.add(mutant.key)
                    result.append(mutant)
    return result


def _same(owner: ast.AST, statement: ast.stmt, new: ast.AST, node: ast.AST) -> ast.AST:
    return new if node is statement else statement


def _head(text: str) -> str:
    """A compound statement is shown by its first line."""
    return text.splitlines()[0] if text else text


def plant(mutant: Mutant, target: types.FunctionType) -> None:
    """Put the fault into the function that the package already uses."""
    target.__code__ = mutant.code()


def functions_of(module: types.ModuleType, owner: Any = None) -> dict[str, types.FunctionType]:
    """The functions to change: the methods of class `owner`, or the module's own functions."""
    found: dict[str, types.FunctionType] = {}
    for name, value in vars(module if owner is None else owner).items():
        if name in LEFT_OUT or name.startswith(CHECKS):
            continue
        for part in (getattr(value, "fget", None), getattr(value, "__func__", None), value):
            function = inspect.unwrap(part) if callable(part) and not isinstance(part, type) else None
            if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                if owner is not None or function.__qualname__ == name:
                    found[function.__qualname__] = function
                break
    return {n: f for n, f in found.items() if f.__code__.co_filename == module.__file__}


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _find(tree: ast.Module, function: str) -> ast.FunctionDef:
    body: list[ast.stmt] = tree.body
    *classes, name = function.split(".")
    for part in classes:
        body = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == part).body
    return next(n for n in body if isinstance(n, ast.FunctionDef) and n.name == name)


Site = tuple[ast.AST, ast.AST, str, int | None, ast.stmt]


def _sites(function: ast.FunctionDef) -> Iterator[Site]:
    """Every node of the body that can be changed, with the place that holds it and the statement it stands in."""
    for i, statement in enumerate(function.body):
        if not _is_docstring(statement):
            yield from _walk(statement, function, "body", i, statement)


def _walk(node: ast.AST, parent: ast.AST, field: str, index: int | None, statement: ast.stmt) -> Iterator[Site]:
    if isinstance(node, (ast.Raise, ast.Assert, ast.arguments)) or _is_check(node):
        return
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    if isinstance(node, ast.If) and all(isinstance(s, ast.Raise) for s in node.body):
        return  # a check of arguments
    if isinstance(node, ast.stmt):
        statement = node
    yield node, parent, field, index, statement
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "ctx"):
            continue
        if isinstance(value, list):
            for i, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield from _walk(child, node, name, i, statement)
        elif isinstance(value, ast.AST):
            yield from _walk(value, node, name, None, statement)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        node = node.value
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.JoinedStr)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.startswith(CHECKS)


def _variants(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    """What a node may be replaced by."""
    match node:
        case ast.BinOp(left, op, right):
            if type(op) in BINARY:
                yield _with(node, op=BINARY[type(op)]())
            if not isinstance(op, ast.MatMult):
                yield left
                yield right
            else:
                yield from _transposed(node, "left")
                yield from _transposed(node, "right")
        case ast.Attribute(value, "T"):
            yield value
        case ast.UnaryOp(ast.USub() | ast.Not() | ast.Invert(), operand):
            yield operand
        case ast.Compare(_, [op]):
            for other in COMPARISONS[type(op)]:
                yield _with(node, ops=[other()])
        case ast.BoolOp(op, values):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield from values
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            for other in dict.fromkeys((value + 1, value - 1, 2 * value, 0 * value)):
                if other != value:
                    yield ast.Constant(other) if other >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-other))
        case ast.IfExp(test, body, orelse):
            yield _with(node, body=orelse, orelse=body)
            yield body
            yield orelse
        case ast.If(test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Call(func, args, keywords):
            name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            if name in NAMES:
                new = (
                    _with(func, attr=NAMES[name])
                    if isinstance(func, ast.Attribute)
                    else ast.Name(NAMES[name], ast.Load())
                )
                if isinstance(func, ast.Attribute) or NAMES[name] in ("min", "max"):
                    yield _with(node, func=new)
            if name == "where" and len(args) == 3:
                yield _with(node, args=[args[0], args[2], args[1]])
                yield args[1]
                yield args[2]
            for i in range(len(keywords)):
                if keywords[i].arg != "strict":  # of zip: a check
                    yield _with(node, keywords=keywords[:i] + keywords[i + 1 :])
        case ast.AugAssign(_, op):
            if type(op) in BINARY:
                yield _with(node, op=BINARY[type(op)]())
            yield ast.Pass()
        case ast.Expr(ast.Call()):
            yield ast.Pass()
        case ast.Assign([ast.Subscript()]):
            yield ast.Pass()
        case ast.Return(value) if value is not None and not isinstance(value, (ast.Dict, ast.Tuple, ast.Call)):
            if isinstance(value, (ast.BinOp, ast.Name, ast.Subscript)):
                yield _with(node, value=ast.UnaryOp(ast.USub(), value))
        case ast.Dict(keys, values) if isinstance(parent, (ast.Return, ast.Tuple)):
            for i, key in enumerate(keys):
                if key is not None:
                    negated = [*values[:i], ast.UnaryOp(ast.USub(), values[i]), *values[i + 1 :]]
                    yield _with(node, values=negated)


def _with(node: Any, **changes: Any) -> Any:
    new = copy.copy(node)
    for name, value in changes.items():
        setattr(new, name, value)
    return new


def _transposed(node: ast.BinOp, side: str) -> Iterator[ast.AST]:
    operand = getattr(node, side)
    if not (isinstance(operand, ast.Attribute) and operand.attr == "T"):  # then the `.T` itself is dropped
        yield _with(node, **{side: ast.Attribute(operand, "T", ast.Load())})
