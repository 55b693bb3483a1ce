"""One form for all that can be checked: values in, output out; values and a cotangent in, gradients out.

A `Subject` hides whether a pair of functions, a loss, a layer, an object or a model stands behind it. Every call gets
copies of its values, and the same random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.naming import CACHES, UPSTREAM, owner_of, parameters_of, returned_names
from chainrule.check.diagnosis.user_code import Repeatable, call, fresh
from chainrule.check.snapshots import changed, snapshot
from chainrule.errors import ConfigError, describe

Values = Mapping[str, Any]


@dataclass
class Run:
    """One pass forward and back. found: argument -> what was returned for it. changed: what was changed in place,
    surplus: how many more gradients came than there are arguments. names: as the return statement has them.
    """

    found: dict[str, Any]
    changed: list[str] = field(default_factory=list)
    surplus: int = 0
    by_name: bool = False


class Subject:
    """What is checked."""

    name: str
    arguments: Sequence[str]  # of the forward pass, in its order
    wanted: Sequence[str]  # those whose gradients are to be checked
    takes_dout = True
    keeps_state = False  # backward reads the object, not a cache
    functions: Sequence[Any] = ()

    def output(self, values: Values) -> Array:
        """The output (a loss: the number) for a copy of `values`."""
        raise NotImplementedError

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """Forward and backward. between: values of another forward pass that comes in between."""
        raise NotImplementedError

    def forward_changes(self, values: Values) -> str | None:
        """Which argument one forward pass changes in place."""
        raise NotImplementedError


class FunctionPair(Subject):
    """`forward(x, w, b, ...) -> out, cache` and `backward(dout, cache) -> dx, dw, db`, in any of their spellings."""

    def __init__(self, name: str, forward: Any, backward: Any, arguments: Sequence[str], wanted: Sequence[str]) -> None:
        self.name, self.forward, self.backward = name, forward, backward
        self.arguments, self.wanted = arguments, wanted
        self.functions = (forward, backward)
        self.repeat = Repeatable(forward, backward)
        self.keyword_only = {p.name for p in parameters_of(forward) if p.kind is p.KEYWORD_ONLY}
        self.returned = returned_names(backward)
        self.outputs = self._count_outputs()

    def _count_outputs(self) -> int:
        """How many outputs have a gradient of their own: `lstm_backward(dnext_h, dnext_c, cache)` takes two."""
        required = [p.name for p in parameters_of(self.backward) if p.default is p.empty]
        upstream = [n for n in required if not is_cache(n) and n not in self.arguments]
        return len(upstream) if len(upstream) > 1 and len(required) == len(upstream) + 1 else 1

    def _forward(self, values: Mapping[str, Any]) -> tuple[Array, Any, bool]:
        args, by_name = [], {}
        skipped = False
        for name in self.arguments:
            if name not in values:
                skipped = True  # an argument left at its default: those after it go by name
            elif name in self.keyword_only or skipped:
                by_name[name] = values[name]
            else:
                args.append(values[name])
        self.repeat()
        result = call("forward", self.forward, *args, **by_name)
        if isinstance(result, tuple) and self.outputs > 1 and len(result) == self.outputs + 1:
            parts = [as_output(self.name, part) for part in result[:-1]]
            self.shapes = [part.shape for part in parts]
            return np.concatenate([part.reshape(-1) for part in parts]), result[-1], True
        if isinstance(result, tuple) and len(result) >= 2:
            return result[0], result[1] if len(result) == 2 else result[1:], True
        return (result[0] if isinstance(result, tuple) and result else result), None, False

    def output(self, values: Values) -> Array:
        """The first thing that forward returns."""
        return as_output(self.name, self._forward(fresh(dict(values)))[0])

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """Backward with the cache of a forward pass."""
        given = fresh(dict(values))
        out, cache, has_cache = self._forward(given)
        out = out.copy() if isinstance(out, np.ndarray) else out
        if between is not None:
            self._forward(fresh(dict(between)))
        cotangent = dout.copy() if dout.ndim else dout
        args, by_name = self._backward_arguments(given, out, cache, has_cache, cotangent)
        before = {"dout": snapshot(cotangent), "cache": snapshot(cache), **snapshot(dict(given))}
        self.repeat()
        result = call("backward", self.backward, *args, **by_name)
        found = assign(result, self.wanted, self.returned)
        now = {"dout": cotangent, "cache": cache, **given}
        altered = [p for p in (changed(before[k], now[k], k) for k in before) if p is not None]
        if len(altered) > 1:  # the cache holds the very array
            altered = [p for p in altered if not p.startswith("cache")]
        found.changed = altered
        return found

    def forward_changes(self, values: Values) -> str | None:
        """Compare each argument before and after; dictionaries of parameters may take new entries."""
        given = fresh(dict(values))
        before = snapshot(given)
        self._forward(given)
        for name in self.arguments:
            if isinstance(given.get(name), np.ndarray):
                found = changed(before[name], given[name], name)
                if found is not None:
                    return found
        return None

    def _backward_arguments(
        self, values: Mapping[str, Any], out: Any, cache: Any, has_cache: bool, dout: Array
    ) -> tuple[list[Any], dict[str, Any]]:
        parameters = parameters_of(self.backward)
        if self.outputs > 1:
            return self._several(parameters, cache, dout)
        required = [p for p in parameters if p.default is p.empty]
        if not parameters:
            return [dout, cache], {}
        known: dict[str, Any] = {}
        left = []
        for p in parameters:
            lowered = p.name.lower()
            if is_cache(p.name):
                known[p.name] = cache
            elif lowered in UPSTREAM and p.name not in values:
                known[p.name] = dout
            elif p.name in values and not (has_cache and len(required) == 2):
                known[p.name] = values[p.name]
            elif lowered in ("out", "output", "y", "probs") and p.name not in values and len(required) > 2:
                known[p.name] = out
            elif p.default is p.empty:
                left.append(p.name)
        if not any(known[n] is dout for n in known) and left:
            known[left.pop(0)] = dout
        if left and not any(v is cache for v in known.values()) and has_cache:
            known[left.pop(0)] = cache
        if left and not has_cache:
            floats = [values[n] for n in self.arguments if n in values]
            if len(left) == 1 and left[0].lower() in ("out", "y", "a", "output"):
                known[left.pop(0)] = out
            elif len(left) <= len(floats):
                known.update(zip(left, floats, strict=False))
                left = []
        if left:
            raise ConfigError(
                f"gradcheck: what {', '.join(left)} of {self.backward.__name__} is cannot be told; backward should "
                "take (dout, cache), or the names of forward's arguments"
            )
        return [], known

    def _several(self, parameters: Sequence[Any], cache: Any, dout: Array) -> tuple[list[Any], dict[str, Any]]:
        """One piece of dout for each output, in order, and the cache."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        pieces = iter(np.split(dout.reshape(-1), np.cumsum(sizes)[:-1]))
        shapes = iter(self.shapes)
        required = [p.name for p in parameters if p.default is p.empty]
        return [], {n: cache if is_cache(n) else next(pieces).reshape(next(shapes)) for n in required}


def is_cache(name: str) -> bool:
    """Whether a parameter of that name takes what forward cached."""
    return name.lower() in CACHES or name.lower().endswith("cache")


class LossFunction(Subject):
    """`loss(x, y, ...) -> loss, gradients`: the gradients are an array, a tuple, or a dictionary by name."""

    takes_dout = False

    def __init__(self, name: str, function: Any, arguments: Sequence[str], wanted: Sequence[str]) -> None:
        self.name, self.function, self.arguments, self.wanted = name, function, arguments, wanted
        self.functions = (function,)
        self.repeat = Repeatable(function)
        self.returned = returned_names(function)[1:]

    def _call(self, values: Mapping[str, Any]) -> Any:
        self.repeat()
        result = call("forward", self.function, **{n: values[n] for n in self.arguments if n in values})
        if not isinstance(result, tuple) or len(result) < 2:
            raise ConfigError(
                f"gradcheck: {self.name}, forward without backward, must return (loss, gradient), got "
                f"{describe(result)}"
            )
        return result

    def output(self, values: Values) -> Array:
        """The loss."""
        return as_output(self.name, self._call(fresh(dict(values)))[0])

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """The gradients of the same call."""
        given = fresh(dict(values))
        result = self._call(given)
        if between is not None:
            self._call(fresh(dict(between)))
        gradients = result[1] if len(result) == 2 else result[1:]
        return assign(gradients, self.wanted, self.returned)

    def forward_changes(self, values: Values) -> str | None:
        """Compare each argument before and after."""
        given = fresh(dict(values))
        before = snapshot(given)
        self._call(given)
        return next((p for p in (changed(before[n], given[n], n) for n in given) if p is not None), None)


def assign(result: Any, wanted: Sequence[str], names: Sequence[str | None]) -> Run:
    """Which returned gradient belongs to which argument: by key, else in order, else by the name that it was returned
    under.
    """
    if isinstance(result, Mapping):
        by_owner = {owner_of(str(key), wanted): value for key, value in result.items()}
        return Run(
            {name: by_owner.get(name) for name in wanted}, surplus=sum(k is None for k in by_owner), by_name=True
        )
    members = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(members) < len(wanted):
        owners = [None if name is None else owner_of(name, wanted) for name in names]
        if len(owners) == len(members) and None not in owners and len(set(owners)) == len(owners):
            named = dict(zip(owners, members, strict=True))
            return Run({name: named.get(name) for name in wanted}, by_name=True)
    found = dict(zip(wanted, members, strict=False))
    return Run({name: found.get(name) for name in wanted}, surplus=max(len(members) - len(wanted), 0))


def as_output(name: str, out: Any) -> Array:
    """An array of numbers, or the typed error for what is none."""
    try:
        array = np.asarray(out)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "fcui" or array.size == 0:
        raise ConfigError(f"gradcheck: {name} must return an array of numbers first, got {describe(out)}")
    return array
