"""One case of a check: values, a random cotangent, the derivatives by differences, and what backward returned."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.arguments import Prepared
from chainrule.check.diagnosis.findings import Row
from chainrule.check.diagnosis.user_code import UserCodeError, cast
from chainrule.check.differences import Plan, Watched, jacobian, plan_for
from chainrule.check.gradient import compare

#: A gradient of float32 agrees to about this.
SINGLE = 3e-4


class Sample:
    """One case. `got` has the returned gradients as float64 arrays, `returned` as they came.

    numeric: argument -> ∂L/∂argument by differences, L = Σ dout · output. failure: backward's exception, if any.
    """

    def __init__(self, prepared: Prepared, values: Mapping[str, Any], seed: int, *, dout: Array | None = None) -> None:
        self.prepared, self.values, self.subject = prepared, dict(values), prepared.subject
        self.kind, self.roles = prepared.kind, prepared.roles
        self.rng = np.random.default_rng([seed, 11])
        self.out = np.asarray(self.subject.output(self.values), dtype=np.float64)
        if dout is None:
            dout = self.rng.normal(size=self.out.shape) if self.subject.takes_dout and self.out.ndim else np.array(1.0)
        self.dout = np.asarray(dout, dtype=np.float64)
        self.failure = ""
        try:
            run = self.subject.run(self.values, self.dout)
        except UserCodeError as error:
            if error.stage == "forward":
                raise
            self.failure, self.changed, self.surplus, self.by_name = str(error), [], 0, False
            self.returned: dict[str, Any] = {}
        else:
            self.returned, self.changed, self.surplus, self.by_name = run.found, run.changed, run.surplus, run.by_name
        self.got: dict[str, Any] = {name: _as_real(value) for name, value in self.returned.items()}
        self.plans: dict[str, Plan] = {}
        self._jacobians: dict[str, Array] = {}
        self.untested: list[str] = []  # hypotheses that failed on this case, and why
        self.kept: dict[str, Any] = {}  # what hypotheses work out once for all arguments

    # -- derivatives ------------------------------------------------------------------------------------------------

    def watched(self, name: str) -> Watched:
        """The output as a function of one argument, the others cast along with it."""

        def f(value: Array) -> Array:
            others = {n: cast(v, value.dtype) if value.dtype.kind == "f" else v for n, v in self.values.items()}
            return self.subject.output({**others, name: value})

        return Watched(f)

    def plan(self, name: str) -> Plan:
        """How the derivatives with respect to that argument are obtained."""
        if name not in self.plans:
            rng = np.random.default_rng(0)
            self.plans[name] = plan_for(self.watched(name), self.values[name].astype(np.float64), "auto", None, rng)
        return self.plans[name]

    def jacobian(self, name: str) -> Array:
        """∂output/∂argument as (outputs, entries), float64."""
        if name not in self._jacobians:
            full = jacobian(self.watched(name), self.values[name].astype(np.float64), self.plan(name))
            self._jacobians[name] = full.reshape(self.out.size, -1)
        return self._jacobians[name]

    def numeric(self, name: str) -> Array:
        """∂L/∂argument in its shape."""
        return (self.dout.reshape(-1) @ self.jacobian(name)).reshape(self.values[name].shape)

    # -- comparing --------------------------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> list[Row]:
        """The table of this case."""
        return [self._row(name) for name in self.subject.wanted]

    @property
    def wrong(self) -> list[str]:
        """The arguments whose gradients are wrong."""
        return [row.argument for row in self.rows if not row.right and row.told]

    def _row(self, name: str) -> Row:
        shape = self.values[name].shape
        nan = float("nan")
        raw, got = self.returned.get(name), self.got.get(name)
        problem = ""
        if self.failure:
            problem = "backward raised an exception"
        elif raw is None:
            problem = "no gradient was returned"
        elif got is None:
            problem = f"what was returned is no array of real numbers but {type(raw).__name__}"
        elif got.shape != shape:
            problem = f"the gradient has shape {got.shape}, {name} has {shape}"
        if problem or got is None:
            return Row(name, shape, None if got is None else got.shape, float("inf"), None, nan, nan, 0, 0, False,
                       None, problem)  # fmt: skip
        tolerance = None
        if np.asarray(raw).dtype.itemsize < 8 or np.array_equal(got, got.astype(np.float32).astype(np.float64)):
            tolerance = SINGLE
        found = compare(self.watched(name), self.values[name], self.dout, got, self.plan(name), name, tolerance,
                        jacobian=self.jacobian(name))  # fmt: skip
        problem = "; ".join(found.problems)
        if not np.isfinite(got).all():
            problem = "the gradient is not finite"
        return Row(
            argument=name,
            shape=shape,
            got_shape=got.shape,
            error=found.error,
            index=found.index,
            expected=found.expected,
            got=found.got,
            checked=got.size,
            kinks=found.kinks,
            right=found.error <= found.tolerance and not problem,
            errors=found.errors.reshape(shape).tolist(),
            problem=problem,
            told=found.error > found.tolerance
            or not problem
            or not _only_open(found.problems)
            or not np.isfinite(got).all(),
        )

    def tolerance(self, name: str) -> float:
        """How closely a prediction must agree with the gradient to explain it."""
        raw = np.asarray(self.returned.get(name, 0.0))
        narrow = raw.dtype.kind == "f" and raw.dtype.itemsize < 8
        return max(2e-3 if narrow else 1e-6, 30 * self.plan(name).tolerance if self.plan(name).eps > 1e-12 else 0.0)

    def distance(self, a: Any, b: Any) -> float:
        """The largest difference relative to the largest entry; infinite for other shapes."""
        if np.shape(a) != np.shape(b):
            return float("inf")
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        size = max(float(np.max(abs(a), initial=0)), float(np.max(abs(b), initial=0)))
        gap = float(np.max(abs(a - b), initial=0))
        return (gap / size if size > 0 else 0.0) if np.isfinite(gap) else float("inf")

    # -- what hypotheses ask for ------------------------------------------------------------------------------------

    def named(self, role: str) -> str | None:
        """The argument of that role."""
        return next((n for n, r in self.roles.items() if r == role and n in self.values), None)

    def value(self, role: str, default: Any = None) -> Any:
        """The value of that role."""
        name = self.named(role)
        return default if name is None else self.values[name]

    @property
    def options(self) -> dict[str, Any]:
        """Numbers and words among the arguments, those inside dictionaries of parameters too."""
        found: dict[str, Any] = {}
        for name, value in self.values.items():
            if isinstance(value, dict):
                found.update({k: v for k, v in value.items() if isinstance(v, (int, float, str))})
            elif isinstance(value, (int, float, str)):
                found[self.roles.get(name, name)] = value
        return found

    @property
    def batch(self) -> int:
        """N, the length of the first axis of the input; the last one's where examples are columns."""
        x = self.value("x")
        if x is None or np.ndim(x) == 0:
            x = next((v for v in self.values.values() if np.ndim(v) >= 1), np.zeros(1))
        w = self.value("w")
        if (
            np.ndim(x) == 2
            and np.ndim(w) == 2
            and x.shape[0] == w.shape[1]
            and self.out.shape == (w.shape[0], x.shape[1])
        ):
            return int(x.shape[1])
        return int(x.shape[0])


def _only_open(problems: tuple[str, ...]) -> bool:
    return all(p.startswith("cannot be told") or "lie at kinks" in p for p in problems)


def _as_real(value: Any) -> Array | None:
    if value is None:
        return None
    try:
        array = np.array(value)
    except ValueError:
        return None
    return array.astype(np.float64) if array.dtype.kind in "fiub" else None
