"""Small changes of a function's source that undo common slips: a sign, a transpose, an axis, a wrong name.

Each edit is a change of one node of the syntax tree. Loop headers, calls that are not arithmetic, and everything
outside the function stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

#: What may be called in a function whose source is tried with changes; arithmetic has no side effects.
BUILTINS = (
    "range",
    "len",
    "zip",
    "enumerate",
    "sum",
    "min",
    "max",
    "abs",
    "float",
    "int",
    "slice",
    "reversed",
    "tuple",
    "list",
)
MODULES = ("np", "numpy", "math")
AXES: tuple[Any, ...] = (0, 1, -1, (0, 1), (2, 3), (0, 2, 3))
SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
FORMS = (
    *("+ {}", "- {}", "* {}", "/ {}", "* ({} > 0)", "* (1 - {})", "* (1 - {} ** 2)", "* {0} * (1 - {0})"),
    *("* (1 - np.tanh({}) ** 2)", "/ {}.shape[0]", "* {}.shape[0]", "* np.cos({})", "* np.exp({})", "* np.sign({})"),
)
FORMS_INSIDE = ("* {}", "/ {}", "* np.sign({})", "- {}", "+ {}")
COMPARISONS = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}


@dataclass(frozen=True)
class Edit:
    """One change. line: of the function's source, from 1. before, after: the whole statement."""

    line: int
    before: str
    after: str


def is_arithmetic(function: ast.FunctionDef, helpers: Collection[str] = ()) -> bool:
    """Whether the function does nothing but arithmetic, so that a changed copy of it can be run.

    helpers: names of other functions of which that is known.
    """
    for node in ast.walk(function):
        if isinstance(node, (ast.While, ast.With, ast.Try, ast.Import, ast.ImportFrom, ast.Global, ast.Delete)):
            return False
        if isinstance(node, ast.Call) and not _is_harmless(node.func, helpers):
            return False
    return True


def _is_harmless(called: ast.expr, helpers: Collection[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in BUILTINS or called.id in helpers
    words = ("save", "load", "tofile", "fromfile", "dump", "memmap", "seed", "write", "read", "open", "remove")
    if isinstance(called, ast.Attribute):
        root: ast.expr = called
        while isinstance(root, ast.Attribute):
            root = root.value
        owner = root.id if isinstance(root, ast.Name) else ""
        return not called.attr.startswith(words) and owner not in ("os", "sys", "shutil", "subprocess", "pathlib")
    return False


def edits(module: ast.Module) -> Iterator[Edit]:
    """All edits of the one function in `module`, the likelier kinds first.

    `module` itself is changed, and stays so until the next edit is asked for.
    """
    function = module.body[0]
    assert isinstance(function, ast.FunctionDef)
    places = [
        (body, i, statement)
        for node in ast.walk(function)
        for body in (getattr(node, "body", None), getattr(node, "orelse", None))
        if isinstance(body, list)
        for i, statement in enumerate(body)
        if isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return, ast.Expr))
    ]
    names = _local_names(function)
    seen: set[tuple[int, str]] = set()
    for kind in (_signs, _statements, _transposes, _axes, _powers, _operators, _factors, _names, _factors_inside):
        for body, i, statement in places:
            before = ast.unparse(statement)
            for path, new in list(kind(statement, names)):
                undo = _replaced(statement, path, new) if path else _exchanged(body, i, new)
                ast.fix_missing_locations(module)
                edit = Edit(statement.lineno, before, ast.unparse(body[i]))
                if edit.after != before and (edit.line, edit.after) not in seen:
                    seen.add((edit.line, edit.after))
                    yield edit
                undo()


Path = tuple[tuple[str, int | None], ...]
Change = tuple[Path, ast.AST]


def _replaced(root: ast.AST, path: Path, new: ast.AST) -> Callable[[], None]:
    """Put `new` at the end of the path below `root`; returns what takes it back."""
    node: Any = root
    for field, index in path[:-1]:
        node = getattr(node, field) if index is None else getattr(node, field)[index]
    field, index = path[-1]
    if index is not None:
        return _exchanged(getattr(node, field), index, new)
    old = getattr(node, field)
    setattr(node, field, new)
    return lambda: setattr(node, field, old)


def _exchanged(members: list[Any], index: int, new: ast.AST) -> Callable[[], None]:
    old = members[index]
    members[index] = new
    return lambda: members.__setitem__(index, old)


def _nodes(root: ast.AST, path: Path = ()) -> Iterator[tuple[Path, ast.AST]]:
    """Every node below `root` with the way to it; the targets of assignments, but for their indices, left out."""
    for field, value in ast.iter_fields(root):
        if isinstance(root, (ast.Assign, ast.AugAssign)) and field in ("target", "targets"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                here = (*path, (field, index))
                yield here, child
                yield from _nodes(child, here)


def _local_names(function: ast.FunctionDef) -> list[str]:
    stored = [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys([*(a.arg for a in function.args.args if a.arg != "self"), *stored]))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _signs(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    for path, node in _nodes(statement):
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            yield path, ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield path, node.operand
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
            yield path, node.operand
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
            yield path, ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators)
    if isinstance(statement, (ast.Assign, ast.AugAssign)) and not isinstance(statement.value, ast.Constant):
        yield (("value", None),), ast.UnaryOp(ast.USub(), statement.value)


def _statements(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    """`=` for `+=`, `+=` for `-=`, and a statement left out."""
    if isinstance(statement, ast.AugAssign):
        swap = SWAPS.get(type(statement.op))
        if swap is not None:
            yield (), ast.AugAssign(statement.target, swap(), statement.value)
        yield (), ast.Pass()
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
        yield (), ast.AugAssign(statement.targets[0], ast.Add(), statement.value)
        yield (), ast.Pass()


def _transposes(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    for path, node in _nodes(statement):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield path, node.value
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load) and _is_value(node):
            yield path, ast.Attribute(node, "T", ast.Load())


def _is_value(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return node.id not in (*MODULES, *BUILTINS, "self")
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _axes(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    """Another axis, a mean for a sum, kept axes."""
    for path, node in _nodes(statement):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("sum", "mean"):
            other = "mean" if node.func.attr == "sum" else "sum"
            yield path, ast.Call(ast.Attribute(node.func.value, other, ast.Load()), node.args, node.keywords)
        for i, keyword in enumerate(node.keywords):
            if keyword.arg == "axis":
                for axis in AXES:
                    kept = [*node.keywords[:i], ast.keyword("axis", _parsed(repr(axis))), *node.keywords[i + 1 :]]
                    yield path, ast.Call(node.func, node.args, kept)
                    if all(k.arg != "keepdims" for k in kept):
                        yield path, ast.Call(node.func, node.args, [*kept, ast.keyword("keepdims", ast.Constant(True))])


def _powers(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    for path, node in _nodes(statement):
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
            k = node.value
            for value in dict.fromkeys((2 * k, k / 2, k + 1, k - 1, -k)):
                yield path, _parsed(repr(value))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield path, node.left
        elif (isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load) and _is_value(node)) or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("tanh", "sqrt", "exp")
        ):
            yield path, ast.BinOp(node, ast.Pow(), ast.Constant(2))


def _operators(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    """* for /, or one operand alone."""
    for path, node in _nodes(statement):
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, (ast.Mult, ast.Div)):
                yield path, ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
            yield path, node.left
            yield path, node.right


def _names(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    """Another local name in the place of one, or of an index."""
    for path, node in _nodes(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            for name in names:
                if name != node.id:
                    yield path, ast.Name(name, ast.Load())


def _factors(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    """A term or a factor more, made of one local name: the derivative that was left out."""
    for path, node in _wholes(statement):
        value = ast.unparse(node)
        for form in FORMS:
            yield from ((path, _parsed(f"({value}) {form.format(name)}")) for name in names)


def _factors_inside(statement: ast.stmt, names: list[str]) -> Iterator[Change]:
    """The same for one name inside an expression."""
    for path, node in _nodes(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
            for form in FORMS_INSIDE:
                yield from ((path, _parsed(f"({node.id}) {form.format(name)}")) for name in names)


def _wholes(statement: ast.stmt) -> Iterator[tuple[Path, ast.AST]]:
    """The value that is assigned or returned; each member of several."""
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Tuple):
        yield from (((("value", None), ("elts", i)), member) for i, member in enumerate(value.elts))
    elif isinstance(value, ast.expr) and not isinstance(value, (ast.Constant, ast.Name)):
        yield (("value", None),), value
