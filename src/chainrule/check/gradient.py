"""`check_gradient`: an analytic gradient held against numerical differentiation, coordinate by coordinate.

    relative error of coordinate i = |aᵢ − nᵢ| / max(|aᵢ|, |nᵢ|, floor)

a is the analytic and n the numerical gradient of L = Σ dout · f(x). Entries far below the others are dominated by
rounding, so floor = max(10⁻³ · largest |a| or |n|, 10⁻⁶ · Σ |dout · Δf|), where Δf is what f changes by when x moves by
a part of its size; the part of |aᵢ − nᵢ| that rounding inside f explains (about ε |f| / h) is subtracted first. Where
that part is more than a hundredth of the gradient itself, nothing can be told, and the check says so. At a kink aᵢ must
lie between the slopes to the left and to the right. See `differences.py` for the three ways to obtain n.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.differences import METHODS, Estimates, MethodName, Plan, Watched, differentiate, plan_for
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError, describe, require_number, unknown
from chainrule.require import as_numbers
from chainrule.typed import typed

#: With more than this share of the checked coordinates at kinks, a check says too little and fails.
MOST_KINKS = 0.25
#: Rounding may explain this part of a gradient; beyond, whether it is right cannot be told.
MOST_NOISE = 0.01


@dataclass(frozen=True)
class GradientReport:
    """What one gradient check found.

    name: of the tensor. method: how the numbers were obtained. checked: coordinates looked at, of `size`.
    error: the worst relative error beyond rounding, at `index`, where differentiation gave `expected` and the analytic
    gradient `got`. kinks: coordinates where the function has no derivative but only slopes to either side.
    problems: faults beyond numbers. hidden: coordinates whose gradient rounding noise hides. cause: what is probably
    wrong, if a known fault gives these very numbers (`chainrule.check.diagnose` tells more).
    """

    name: str
    method: str
    error: float
    index: tuple[int, ...] | None
    expected: float
    got: float
    checked: int
    size: int
    kinks: int
    tolerance: float
    problems: tuple[str, ...] = ()
    hidden: int = 0
    cause: str = ""

    @property
    def ok(self) -> bool:
        """Whether the worst error is within the tolerance and nothing else is wrong."""
        return self.error <= self.tolerance and not self.problems

    def __str__(self) -> str:
        parts = [] if self.error <= self.tolerance else [self._worst()]
        parts.extend(self.problems)
        if self.ok:
            parts.append(f"ok, relative error {self.error:.1e} at worst (tolerance {self.tolerance:.1e})")
        kinks = f", {self.kinks} left out at kinks" if self.kinks else ""
        parts.append(f"{self.checked} of {self.size} coordinates checked{kinks}, method {self.method}")
        if self.cause:
            parts.append(f"probably {self.cause}")
        return f"{self.name}: " + "; ".join(parts)

    def _worst(self) -> str:
        return f"index {self.index}: expected {self.expected:.6g}, got {self.got:.6g} (relative error {self.error:.2g})"


@typed
def relative_error(got: Array, expected: Array, floor: float | None = None) -> float:
    """The largest |got − expected| / max(|got|, |expected|, floor) over all entries.

    floor: by default a thousandth of the largest entry of either, so that rounding in tiny entries does not count.

    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    0.5
    """
    a, n = (as_numbers("relative_error", k, v, "fiubc") for k, v in (("got", got), ("expected", expected)))
    if a.shape != n.shape:
        raise ShapeError(f"relative_error: got must have the shape of expected, {n.shape}, got {a.shape}")
    if a.size == 0:
        return 0.0
    a, n = (v.astype(np.result_type(v, np.float64), copy=False) for v in (a, n))
    return float(np.max(_relative_errors(a, n, _largest(a, n) * 1e-3 if floor is None else floor)))


@typed
def check_gradient(
    f: Callable[[Array], Any],
    x: Array,
    gradient: Array | Callable[[Array], Array] | None = None,
    *,
    dout: Array | None = None,
    method: MethodName = "auto",
    name: str = "x",
    num_checks: int | None = None,
    step: float | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> GradientReport:
    """Compare an analytic gradient of `f` at `x` with numerical differentiation.

    f: maps an array like `x` to a number or an array; or to a pair (loss, gradient), and then `gradient` is left out.
    gradient: ∂L/∂x for L = Σ dout · f(x), in the shape of `x`; or a function from `dout` to it.
    dout: ∂L/∂f in the shape of `f(x)`; for a function `gradient` it is drawn at random, for a number it is 1.
    method: "extended", "complex", "central", or "auto", which takes the first of them that `f` allows.
    num_checks: how many coordinates, drawn at random, to check; all by default.
    step: the h of the differences, in place of the method's own. tolerance: the relative error that still passes; by
    default 1e-8 (6e-6 for central differences), and not below √ε of the gradient's own dtype.

    Raises `DTypeError`, `DataError`, `ShapeError` or `ConfigError` for arguments that cannot be checked. A gradient of
    the wrong shape, a function that changes its argument or answers differently each time, and too many kinks are
    findings: the report is not `ok` and names them.

    >>> x = np.array([0.5, -1.0])
    >>> check_gradient(np.sin, x, lambda dout: dout * np.cos(x)).ok
    True
    >>> report = check_gradient(lambda x: (x**2).sum(), x, np.array([1.0, 2.0]), name="x")
    >>> report.index, report.expected, report.got
    ((1,), -2.0, 2.0)
    """
    if not callable(f):
        raise DTypeError(f"check_gradient: f must be a function, got {describe(f)}")
    x = _require_input(x)
    _require_options(method, num_checks, step, tolerance)
    require_number("check_gradient", "seed", seed, integer=True, low=0)
    rng = np.random.default_rng(seed)
    watched = Watched(f)
    given, x = x, x.copy()  # f may write to the array that it was given as a view of (a network's parameters, say)
    base = x if x.dtype.itemsize >= 8 else x.astype(np.float64)
    if gradient is not None and not callable(gradient):
        gradient = _copied_numbers("gradient", gradient)
    first = _copied(watched.raw(base))
    second = watched.raw(base)
    value = np.asarray(first[0] if isinstance(first, tuple) and first else first)
    _require_value(value)
    problems = [] if _same(first, second) else [f"f is not a function of {name}: two calls gave different values"]
    plan = plan_for(watched, base, method, step, rng)

    if gradient is None:
        if not isinstance(first, tuple) or len(first) != 2:
            raise ConfigError("check_gradient: gradient must be given unless f returns a pair (loss, gradient)")
        gradient = _copied_numbers("gradient", watched.raw(x)[1])
    takes_dout = callable(gradient)
    if dout is None:
        if value.size != 1 and not callable(gradient):
            raise ConfigError(
                f"check_gradient: dout must be given for f of shape {value.shape}, or gradient be a function of dout"
            )
        dout = rng.normal(size=value.shape) if callable(gradient) else np.ones(value.shape)
    dout = as_numbers("check_gradient", "dout", dout)
    _require_cotangent(dout, value)
    wide = np.dtype(np.float64) if plan.method == "complex" else plan.dtype
    if callable(gradient):
        watched(base.astype(wide))  # an f that keeps what its backward pass needs keeps it of x, not of a point nearby
        before, cotangent = given.copy(), dout.astype(wide)
        gradient = _copied_numbers("gradient", gradient(cotangent))
        if not np.array_equal(given, before, equal_nan=True):
            problems.append(f"gradient changes {name} in place")
        if not np.array_equal(cotangent, dout.astype(wide)):
            problems.append("gradient changes dout in place")
    takes_dout = takes_dout and value.ndim > 0
    got: Array = gradient
    if got.size and not np.isfinite(got).all():  # wherever it is, at a kink or outside the coordinates that are drawn
        problems.append(f"the gradient is not finite at index {_first_bad(got)}")

    if tolerance is None:
        eps = float(np.finfo(got.dtype).eps) if got.dtype.kind == "f" else 0.0
        tolerance = max(plan.tolerance, eps**0.5)
    if got.shape != x.shape:
        problems.append(f"the gradient has shape {got.shape}, {name} has shape {x.shape}")
        cause = _cause(watched, base, dout, got, name, takes_dout)
        nan = float("nan")
        return GradientReport(
            name, plan.method, float("inf"), None, nan, nan, 0, x.size, 0, tolerance, tuple(problems), cause=cause
        )
    coordinates = _coordinates(x.size, num_checks, rng)
    report = _compare(watched, base, dout, got, coordinates, plan, name, tolerance)
    problems.extend(report.problems)
    if watched.changes_input:
        problems.insert(0, f"f changes {name} in place")
    cause = "" if report.error <= tolerance else _cause(watched, base, dout, got, name, takes_dout)
    return GradientReport(**{**vars(report), "problems": tuple(problems), "cause": cause})


def _cause(f: Watched, x: Array, dout: Array, got: Array, name: str, takes_dout: bool) -> str:
    from chainrule.check.diagnosis.single import probable_cause  # which itself compares by this module

    return probable_cause(f, x, dout, got, name, takes_dout=takes_dout)


def _copied_numbers(argument: str, value: Any) -> Array:
    return np.array(as_numbers("check_gradient", argument, value))


def _require_value(value: Array) -> None:
    if value.dtype.kind not in "fiub" or value.size == 0:
        raise DTypeError(f"check_gradient: f must return at least one real number, got {describe(value)}")


def _require_cotangent(dout: Array, value: Array) -> None:
    if dout.shape != value.shape:
        raise ShapeError(f"check_gradient: dout must have the shape of f, {value.shape}, got {dout.shape}")
    if not np.isfinite(dout).all() or not dout.any():
        raise DataError("check_gradient: dout must be finite and not all zero, which would pass any gradient")


def _first_bad(got: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])


@dataclass(frozen=True)
class Comparison:
    """An analytic gradient beside the numerical one. errors: relative, one a coordinate, 0 at kinks."""

    error: float
    index: tuple[int, ...] | None
    expected: float
    got: float
    kinks: int
    hidden: int
    tolerance: float
    problems: tuple[str, ...]
    errors: Array


def _compare(
    f: Watched, x: Array, dout: Array, got: Array, coordinates: Array, plan: Plan, name: str, tolerance: float
) -> GradientReport:
    found = _compared(f, x, dout, got, coordinates, differentiate(f, x, dout, coordinates, plan), plan, name, tolerance)
    kept = {k: v for k, v in vars(found).items() if k != "errors"}
    return GradientReport(name=name, method=plan.method, checked=len(coordinates), size=x.size, **kept)


def compare(
    f: Watched, x: Array, dout: Array, got: Array, plan: Plan, name: str, tolerance: float | None, *, jacobian: Array
) -> Comparison:
    """`got` against `jacobian` (f's, by `plan`); the coordinates that disagree are differentiated once more, with an
    eye on kinks and rounding. tolerance: the relative error that passes if larger than the plan's own.
    """
    tolerance = plan.tolerance if tolerance is None else max(tolerance, plan.tolerance)
    n = dout.reshape(-1) @ jacobian
    base = x if x.dtype.itemsize >= 8 else x.astype(np.float64)
    rough = _relative_errors(got.reshape(-1), n, 1e-3 * _largest(got, n))
    suspects = np.flatnonzero(~(rough <= tolerance))
    if len(suspects) == 0:
        worst = int(np.argmax(rough))
        index = tuple(int(i) for i in np.unravel_index(worst, x.shape))
        numbers = float(rough[worst]), index, float(n[worst]), float(got.flat[worst])
        return Comparison(*numbers, 0, 0, tolerance, (), rough)
    everything = np.arange(x.size)
    estimates = Estimates.of_slopes(n)
    exact = differentiate(f, base, dout, suspects, plan)
    for kind, values in vars(exact).items():
        getattr(estimates, kind)[suspects] = values
    return _compared(f, base, dout, got, everything, estimates, plan, name, tolerance)


def _compared(
    f: Watched,
    x: Array,
    dout: Array,
    got: Array,
    coordinates: Array,
    estimates: Estimates,
    plan: Plan,
    name: str,
    tolerance: float,
) -> Comparison:
    a, n = got.reshape(-1)[coordinates].astype(estimates.value.dtype), estimates.value
    reach = np.maximum(1, abs(x.reshape(-1)[coordinates]))
    magnitude, spread = _sizes(f, x, dout)
    size = 1e-6 * min(magnitude, spread)
    # What rounding explains: in n (where f did not move at all, a change smaller than its last digit), and in a
    # backward pass in float64.
    last_digit = np.where((n == 0) & (estimates.resolution == 0), 2 * plan.eps * magnitude / (plan.step * reach), 0)
    usual = min(magnitude, 1e6 * float(np.sum(abs(dout))))
    noise = estimates.resolution + last_digit + 64 * 2.0**-52 * max(min(magnitude, spread), usual) / reach
    kinks = estimates.kinks(max(1e-3 * _largest(estimates.slope), size), plan.kink_threshold)
    problems = []
    if kinks.sum() > MOST_KINKS * len(coordinates):
        problems.append(
            f"{kinks.sum()} of {len(coordinates)} coordinates lie at kinks of f, which leaves too few to judge: move "
            f"{name} away from ties, or pass a smaller step"
        )
    floor = max(1e-3 * _largest(a[~kinks], n[~kinks]), size)
    errors = np.where(kinks, 0.0, _relative_errors(a, n, floor, noise))
    problems.extend(_outside(a, estimates, kinks, coordinates, x.shape))
    # Noise hides what is not far above it; around a gradient of 0 it is small beside the cotangent itself.
    told = np.maximum(np.maximum(abs(a), abs(n)), 0.1 * _largest(a, n)) * MOST_NOISE >= noise
    hidden = ~kinks & ~told & (noise * reach > 1e-6 * float(np.sum(abs(dout))))
    if hidden.any():
        problems.append(
            f"cannot be told at {hidden.sum()} of {len(coordinates)} coordinates: rounding in f (of size "
            f"{float(np.max(abs(f(x)))):.2g}) hides changes of the gradient up to "
            f"{float(np.max(noise[hidden])):.2g}; take away what does not depend on {name}, or compute more precisely"
        )
    worst = int(np.argmax(errors >= (1 - 1e-6) * np.max(errors)))  # the first of those that rounding alone tells apart
    index = tuple(int(i) for i in np.unravel_index(coordinates[worst], x.shape))
    return Comparison(
        error=float(errors[worst]),
        index=index if not kinks.all() else None,
        expected=float(n[worst]),
        got=float(a[worst]),
        kinks=int(kinks.sum()),
        hidden=int(hidden.sum()),
        tolerance=tolerance,
        problems=tuple(problems),
        errors=np.asarray(errors, dtype=np.float64),
    )


def _sizes(f: Watched, x: Array, dout: Array) -> tuple[float, float]:
    """Σ |dout · f| at `x`, and Σ |dout · Δf| for a move of `x` by a fifth of its size, or of 1."""
    here = f(x)
    move = np.random.default_rng(0).uniform(0.1, 0.2, x.shape) * np.maximum(1, abs(x))
    try:
        with np.errstate(all="ignore"):
            spread = float(np.sum(abs(dout * (f(x + move) - here))))
    except Exception:  # outside what f accepts
        spread = float("inf")
    return float(np.sum(abs(dout * here))), spread if np.isfinite(spread) else float("inf")


def _outside(a: Array, estimates: Estimates, kinks: Array, coordinates: Array, shape: tuple[int, ...]) -> list[str]:
    """A finding where the gradient at a kink is not between the slopes to the left and to the right."""
    low, high = np.minimum(estimates.left, estimates.right), np.maximum(estimates.left, estimates.right)
    slack = 1e-3 * np.maximum(abs(low), abs(high)) + 8 * estimates.noise
    bad = kinks & ~((a >= low - slack) & (a <= high + slack))
    if not bad.any():
        return []
    i = int(np.argmax(bad))
    index = tuple(int(k) for k in np.unravel_index(coordinates[i], shape))
    return [
        f"index {index} is a kink of f, where a gradient must lie between the slopes {float(low[i]):.6g} and "
        f"{float(high[i]):.6g}, got {float(a[i]):.6g}"
    ]


def _relative_errors(a: Array, n: Array, floor: float, resolution: Array | float = 0.0) -> Array:
    """Element by element; NaN or infinity on either side counts as an infinite error."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.maximum(abs(a - n) - resolution, 0)
        size = np.maximum(np.maximum(abs(a), abs(n)), floor)
        errors = off / np.where(size > 0, size, 1)
    return np.where(np.isfinite(a) & np.isfinite(n), errors, np.inf)


def _largest(*arrays: Array) -> float:
    finite = [float(np.max(abs(v[np.isfinite(v)]), initial=0.0)) for v in arrays]
    return max(finite, default=0.0)


def _coordinates(size: int, num_checks: int | None, rng: np.random.Generator) -> Array:
    if num_checks is None or num_checks >= size:
        return np.arange(size)
    return np.sort(rng.choice(size, num_checks, replace=False))


def _copied(result: Any) -> Any:
    return tuple(np.array(v) for v in result) if isinstance(result, tuple) else np.array(result)


def _same(first: Any, second: Any) -> bool:
    firsts, seconds = (v if isinstance(v, tuple) else (v,) for v in (first, second))
    return len(firsts) == len(seconds) and all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True) for a, b in zip(firsts, seconds, strict=True)
    )


def _require_input(x: Any) -> Array:
    if isinstance(x, float):
        x = np.asarray(x)
    if not isinstance(x, (np.ndarray, np.floating)):
        raise DTypeError(f"check_gradient: x must be a NumPy array, got {describe(x)}")
    x = as_numbers("check_gradient", "x", x)
    if x.dtype.kind != "f":
        raise DTypeError(f"check_gradient: x must hold real floating-point numbers, got dtype {x.dtype}")
    if x.size == 0:
        raise ShapeError(f"check_gradient: x must hold at least one number, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise DataError("check_gradient: x must hold finite numbers, got NaN or infinity")
    return x


def _require_options(method: str, num_checks: int | None, step: float | None, tolerance: float | None) -> None:
    if method != "auto" and method not in METHODS:
        raise unknown("method", method, ("auto", *METHODS))
    if num_checks is not None:
        require_number("check_gradient", "num_checks", num_checks, integer=True, low=1)
    if step is not None:
        require_number("check_gradient", "step", step, low=0, open_low=True)
    if tolerance is not None:
        require_number("check_gradient", "tolerance", tolerance, low=0)
