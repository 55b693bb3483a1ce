"""A trace: every step of a computation forward, and the chain rule through every step back.

    forward    v_k = f_k(its arguments)
    backward   ∂L/∂v_j = Σ_k ∂L/∂v_k · ∂v_k/∂v_j   over the steps k that use v_j, from the last step to the first

The steps are elementary operations, or whole equations: then the operations inside an equation are composed, and a
local derivative is the product of theirs, along every way from the argument to the result, added up.
Source: Griewank & Walther, "Evaluating derivatives", 2008, section 3.2 (reverse mode).
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from chainrule.analysis.tracing.operations import OPERATIONS, Operation
from chainrule.analysis.tracing.parse import evaluate, parse_equations
from chainrule.analysis.tracing.term import ONE, Term, number, variable
from chainrule.analysis.tracing.variable import Variable, Variables, as_variable
from chainrule.errors import (
    ChainruleError,
    ConfigError,
    DataError,
    DTypeError,
    describe,
    require_mapping,
    require_number,
    require_text,
    unknown,
)
from chainrule.typed import typed

By = Literal["operation", "equation"]
SUMS = ("add", "sub")


@dataclass(frozen=True)
class Partial:
    """The local derivative of a step with respect to one of its arguments: its value and its formula."""

    argument: str
    value: float
    formula: Term


@dataclass(frozen=True)
class Step:
    """A value of a trace. Inputs have no `tree`; `gradient` is ∂output/∂this."""

    name: str
    value: float
    tree: Tree | None
    partials: tuple[Partial, ...]
    gradient: float = 0.0

    @property
    def formula(self) -> Term | None:
        """How the value is made from others; None where it was given."""
        return None if self.tree is None else self.tree.written(variable)


@dataclass(frozen=True)
class Tree:
    """A formula as operations on names, numbers and formulas."""

    operation: Operation
    arguments: tuple[str | float | Tree, ...]

    def written(self, name: Callable[[str], Term]) -> Term:
        """The formula, with `name` saying what stands for each name: itself, or a value."""
        terms = [
            a.written(name) if isinstance(a, Tree) else name(a) if isinstance(a, str) else number(a, None)
            for a in self.arguments
        ]
        return self.operation.term(*terms)


@dataclass(frozen=True)
class Trace:
    """All steps in an order in which they can be computed, inputs first; `output` names the last.

    >>> trace = trace_text("L = (w*x - t)^2", {"w": 2.0, "x": 3.0, "t": 5.0})
    >>> trace.values["L"], trace.gradients["w"]
    (1.0, 6.0)
    """

    steps: tuple[Step, ...]
    output: str

    @property
    def values(self) -> dict[str, float]:
        """Every value by name."""
        return {step.name: step.value for step in self.steps}

    @property
    def gradients(self) -> dict[str, float]:
        """∂output/∂v by the name of v; 0 where the output does not depend on v."""
        return {step.name: step.gradient for step in self.steps}

    @property
    def backward_steps(self) -> tuple[Step, ...]:
        """The steps that the output depends on, in the order of the backward pass."""
        return tuple(s for s in reversed(self.steps) if s.name == self.output or self.consumers(s.name))

    def consumers(self, name: str) -> list[tuple[Step, Partial]]:
        """The steps on the way to the output that use `name`, each with its local derivative."""
        require_text("Trace", "name", name)
        return self._consumers.get(name, [])

    @functools.cached_property
    def _consumers(self) -> dict[str, list[tuple[Step, Partial]]]:
        needed, found = {self.output}, dict[str, list[tuple[Step, Partial]]]()
        for step in reversed(self.steps):
            for partial in step.partials if step.name in needed else ():
                needed.add(partial.argument)
                found.setdefault(partial.argument, []).insert(0, (step, partial))
        return found

    def __getitem__(self, name: str) -> Step:
        require_text("Trace", "name", name)
        for step in self.steps:
            if step.name == name:
                return step
        raise unknown("step of the trace", name, self.values)

    def __str__(self) -> str:
        from chainrule.analysis.tracing.tables import tables

        return tables(self)

    @typed
    def latex(self, digits: int = 4) -> str:
        """The steps forward and backward as an `align*` environment."""
        from chainrule.analysis.tracing.latex import latex

        require_number("Trace", "digits", digits, integer=True, low=1, high=17)

        return latex(self, digits)

    @typed
    def svg(self, digits: int = 4) -> str:
        """The graph, with values above its edges and gradients below them."""
        from chainrule.analysis.tracing.svg import svg

        require_number("Trace", "digits", digits, integer=True, low=1, high=17)

        return svg(self, digits)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        steps = [
            {
                "name": step.name,
                "value": step.value,
                "formula": None if step.formula is None else step.formula.text,
                "gradient": step.gradient,
                "partials": {p.argument: {"value": p.value, "formula": p.formula.text} for p in step.partials},
            }
            for step in self.steps
        ]
        return {"output": self.output, "value": self[self.output].value, "gradients": self.gradients, "steps": steps}


def trace(f: Callable[..., Any], values: Any, *, by: By = "operation") -> Trace:
    """Follow the numbers through `f` and the gradient back.

    f: takes numbers or arrays of them and returns a number, made with arithmetic, NumPy's functions or those of
    `chainrule.analysis.functions`; or a dictionary of named results, the last of which is the output.
    values: the arguments by name; for a function of one argument, a number or an array alone will do.
    by: show every "operation", or every "equation", which are the named results.

    >>> gradients = trace(lambda w, x: (w * x - 5) ** 2, {"w": 2.0, "x": 3.0}).gradients
    >>> gradients["w"], gradients["x"]
    (6.0, 4.0)
    """
    if not callable(f):
        raise DTypeError(f"trace: f must be a function, or call trace_text for equations, got {describe(f)}")
    arguments = {name: _inputs(name, value) for name, value in _by_name(f, values).items()}
    inputs = {v.name: v for a in arguments.values() for v in np.asarray(a, dtype=object).flat}
    try:
        result = f(**arguments)
    except ChainruleError:
        raise
    except TypeError as error:
        raise DTypeError(f"trace: f cannot be called on traced numbers: {error}") from None
    named = dict(result) if isinstance(result, Mapping) else {"out": result}
    if not named:
        raise ConfigError("trace: f must return a number or named numbers, got none")
    roots = [_result(value, name) for name, value in named.items()]
    if not any(v.operation is not None or v.name in inputs for v in [roots[-1]]):
        raise ConfigError("trace: the result does not depend on the arguments")
    return build([v for v in inputs.values() if isinstance(v, Variable)], roots, roots[-1], by)


@typed
def trace_text(text: str, values: Mapping[str, float], *, of: str | None = None, by: By = "operation") -> Trace:
    """Follow the numbers through equations, and the gradient of `of` (the last equation's name) back.

    >>> print(trace_text("z = w*x; a = sigmoid(z)", {"w": 0.5, "x": 0.0}).gradients["w"])
    0.0
    """
    require_mapping("trace_text", "values", values, "numbers")
    checked = {name: as_variable(value, f"trace_text: values[{name!r:.60}]").value for name, value in values.items()}
    equations = parse_equations(text)
    known = evaluate(equations, checked)
    output = next(reversed(known)) if equations[-1].name is None else equations[-1].name
    if of is not None:
        if of not in known:
            raise unknown("name to differentiate", of, known)
        output = of
    inputs = [v for v in known.values() if v.operation is None]
    return build(inputs, list(known.values()), known[output], by)


def _by_name(f: Callable[..., Any], values: Any) -> dict[str, Any]:
    try:
        parameters = [p for p in inspect.signature(f).parameters.values() if p.kind not in (p.VAR_KEYWORD,)]
    except (TypeError, ValueError):
        raise DTypeError(f"trace: f must be a Python function whose arguments have names, got {describe(f)}") from None
    names = [p.name for p in parameters if p.default is p.empty]
    if any(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) for p in parameters):
        raise DTypeError("trace: the arguments of f must have names, such as lambda w, x: w * x")
    if len(names) == 1 and not (isinstance(values, Mapping) and names[0] in values):
        values = {names[0]: values}
    if not isinstance(values, Mapping):
        raise DTypeError(f"trace: values must be given by name, {', '.join(names)}, got {describe(values)}")
    for name in values:
        if name not in [p.name for p in parameters]:
            raise unknown("argument of f", name, [p.name for p in parameters])
    missing = [name for name in names if name not in values]
    if missing:
        raise ConfigError(f"trace: values must hold every argument of f, got none of {', '.join(missing)}")
    return dict(values)


def _inputs(name: str, value: Any) -> Any:
    """A number as a variable; an array as an array of variables called w1, w2 or w11, w12, ..."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise DTypeError(f"trace: {name} must be a number or an array, got rows of unequal lengths") from None
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"trace: {name} must be a number or an array of numbers, got {describe(value)}")
    if not np.isfinite(array).all():
        raise DataError(f"trace: {name} must hold finite numbers, got NaN or infinity")
    if array.ndim == 0:
        return Variable(float(array), name=name)
    out = np.empty(array.shape, dtype=object).view(Variables)
    between = "" if max(array.shape) < 10 or array.ndim == 1 else "_"
    for index in np.ndindex(*array.shape):
        out[index] = Variable(float(array[index]), name=name + between.join(str(i + 1) for i in index))
    return out


def _result(value: Any, name: str) -> Variable:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, (np.ndarray, list, tuple)) or not isinstance(name, str):
        raise DTypeError(
            f"trace: f must return one number for these values, or a dictionary of named numbers, got {describe(value)}"
        )
    result = as_variable(value)
    if result.constant:
        raise ConfigError(f"trace: the result {name} does not depend on the arguments")
    return result if result.name is not None and name == "out" else result.named(name)


# -- from variables to steps ------------------------------------------------------------------------------------------


def build(inputs: list[Variable], roots: list[Variable], output: Variable, by: By) -> Trace:
    """The trace of what `roots` need, and of all `inputs`, with the gradients of `output`."""
    if not isinstance(by, str) or by not in get_args(By):
        raise unknown("way to part a trace", by, get_args(By))
    ordered = _topological([*inputs, *roots])
    consumers: dict[int, list[Variable]] = {id(v): [] for v in ordered}
    for v in ordered:
        for argument in v.args:
            if not argument.constant:
                consumers[id(argument)].append(v)
    visible = {id(v) for v in ordered if v is output or _stands_alone(v, consumers[id(v)], by)}
    names = _names([v for v in ordered if id(v) in visible])
    steps = [_step(v, visible, names) for v in ordered if id(v) in visible]
    return Trace(tuple(_with_gradients(steps, names[id(output)])), names[id(output)])


def _stands_alone(v: Variable, consumers: list[Variable], by: By) -> bool:
    """Whether a value is a step of its own, rather than a part of the one step that uses it."""
    if v.operation is None or v.name is not None or len(consumers) != 1:
        return True
    consumer = consumers[0].operation
    in_one_sum = v.operation.key in SUMS and consumer is not None and consumer.key in SUMS
    return by == "operation" and not (in_one_sum and consumers[0].args[0] is v)


def _topological(roots: list[Variable]) -> list[Variable]:
    """Arguments before results, without constants and without recursion."""
    seen: set[int] = set()
    ordered: list[Variable] = []
    for root in roots:
        stack: list[tuple[Variable, Iterator[Variable]]] = []
        if not root.constant and id(root) not in seen:
            seen.add(id(root))
            stack.append((root, iter(root.args)))
        while stack:
            v, arguments = stack[-1]
            following = next((a for a in arguments if not a.constant and id(a) not in seen), None)
            if following is None:
                ordered.append(v)
                stack.pop()
            else:
                seen.add(id(following))
                stack.append((following, iter(following.args)))
    return [v for v in ordered if v.operation is None] + [v for v in ordered if v.operation is not None]


def _names(variables: list[Variable]) -> dict[int, str]:
    """The given names, and v1, v2, ... for the others."""
    taken = {v.name for v in variables}
    free = (f"v{i}" for i in itertools.count(1) if f"v{i}" not in taken)
    names: dict[int, str] = {}
    used: set[str] = set()
    for v in variables:
        name = next(free) if v.name is None else v.name
        while name in used:  # two values of one name, in a traced function
            name = next(free)
        used.add(name)
        names[id(v)] = name
    return names


def _step(v: Variable, visible: set[int], names: Mapping[int, str]) -> Step:
    if v.operation is None:
        return Step(names[id(v)], v.value, None, ())
    try:
        tree, partials = _expand(v, visible, names)
    except RecursionError:
        raise ConfigError("trace: a formula is nested too deeply; name some of its parts") from None
    return Step(names[id(v)], v.value, tree, tuple(partials.values()))


def _expand(v: Variable, visible: set[int], names: Mapping[int, str]) -> tuple[Tree, dict[str, Partial]]:
    """The formula of a step down to the steps it uses, and its derivative with respect to each of them."""
    assert v.operation is not None
    arguments: list[str | float | Tree] = []
    inside: list[dict[str, Partial]] = []
    for argument in v.args:
        if argument.constant:
            arguments.append(argument.value)
            inside.append({})
        elif id(argument) in visible:
            name = names[id(argument)]
            arguments.append(name)
            inside.append({name: Partial(name, 1.0, ONE)})
        else:
            inner, partials = _expand(argument, visible, names)
            arguments.append(inner)
            inside.append(partials)
    tree = Tree(v.operation, tuple(arguments))
    shown = variable(names[id(v)]) if id(v) in visible else tree.written(variable)
    terms = [Tree(OPERATIONS["identity"], (a,)).written(variable) for a in arguments]
    found: dict[str, Partial] = {}
    for i, partials in enumerate(inside):
        if not partials:
            continue
        value, written = _slope(v, i), _formula(v.operation.partial(i, shown, tuple(terms)))
        for name, partial in partials.items():
            product = Partial(name, value * partial.value, written * partial.formula)
            before = found.get(name)
            found[name] = (
                product
                if before is None
                else Partial(name, before.value + product.value, before.formula + product.formula)
            )
    return tree, found


def _formula(value: Any) -> Term:
    return value if isinstance(value, Term) else number(value, None)


def _slope(v: Variable, i: int) -> float:
    """∂v/∂argument i as a number, or a `DataError` where there is none."""
    assert v.operation is not None
    try:
        return float(v.operation.partial(i, v.value, tuple(a.value for a in v.args)))
    except (ZeroDivisionError, ValueError, OverflowError):
        formula = v.operation.term(*(a.shown() for a in v.args)).text
        argument = v.args[i]
        at = f"{argument.value:g}" if argument.name is None else f"{argument.name} = {argument.value:g}"
        raise DataError(f"trace: {formula} has no finite derivative with respect to its argument {at}") from None


def _with_gradients(steps: list[Step], output: str) -> list[Step]:
    """The backward pass: each step hands its gradient on to its arguments."""
    gradients = {step.name: 0.0 for step in steps}
    gradients[output] = 1.0
    for step in reversed(steps):
        for partial in step.partials:
            gradients[partial.argument] += gradients[step.name] * partial.value
    return [Step(s.name, s.value, s.tree, s.partials, gradients[s.name]) for s in steps]
