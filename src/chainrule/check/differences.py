"""Numerical differentiation of one coordinate at a time, precise enough to judge an analytic gradient.

    extended   (8 [f(x+h) − f(x−h)] − [f(x+2h) − f(x−2h)]) / 12h   in extended precision, h = 2⁻¹⁵: about 1e-15
    complex    Im f(x + ih) / h   with h = 1e-30, no subtraction at all: about 1e-16, for analytic f only
    central    (f(x+h) − f(x−h)) / 2h   with h = ε^⅓: about 1e-10 in float64, 1e-5 where f computes in float32

h is multiplied by max(1, |xᵢ|). Every estimate is repeated with h/4: where the two disagree, or where the slopes to the
left and to the right differ by a gap that does not shrink with h, f has a kink and no derivative to compare with, only
its one-sided slopes. A gap that shrinks as 1/h when h grows is rounding noise. ε is what f is precise to, measured
(see `noise.py`), as a function that returns float64 may well compute in float32.
Source: Fornberg, "Generation of finite difference formulas", 1988, table 1; Squire & Trapp, "Using complex variables
to estimate derivatives of real functions", SIAM Review 40, 1998.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chainrule.arrays import Array
from chainrule.check.noise import relative_noise
from chainrule.errors import ConfigError

MethodName = Literal["auto", "extended", "complex", "central"]
METHODS: tuple[str, ...] = ("extended", "complex", "central")  # in the order in which "auto" tries them

#: Whether this platform's `longdouble` is wider than a float64.
HAS_EXTENDED = bool(np.finfo(np.longdouble).eps < 1e-18)

_COMPLEX_STEP = 1e-30


class Watched:
    """`f` as a function to an array, called on copies; remembers whether it changed its argument or its mind."""

    def __init__(self, f: Callable[[Array], Any]) -> None:
        self.f = f
        self.changes_input = False

    def raw(self, x: Array) -> Any:
        """Whatever `f` returns for a copy of `x`."""
        given = x.copy()
        result = self.f(given)
        if not np.array_equal(given, x, equal_nan=True):
            self.changes_input = True
        return result

    def __call__(self, x: Array) -> Array:
        """The value of `f`: the first member where it returns a pair (loss, gradient)."""
        result = self.raw(x)
        # A copy, because f may return a buffer that its next call overwrites.
        return np.array(result[0] if isinstance(result, tuple) else result)

    def moved(self, x: Array, i: int, by: Any) -> Array:
        """The value of `f` with the i-th coordinate moved."""
        moved = x.copy()
        moved.flat[i] += by
        return self(moved)


@dataclass(frozen=True)
class Plan:
    """How to differentiate: the method, the dtype that `x` takes, the step, and the precision of what `f` returns."""

    method: str
    dtype: np.dtype
    step: float
    eps: float

    @property
    def tolerance(self) -> float:
        """A relative error that only a wrong gradient exceeds."""
        return self.eps ** (1 / 3) if self.method == "central" else 1e-8

    @property
    def kink_threshold(self) -> float:
        """How far estimates with h and with h/4 may be apart where the function is smooth."""
        return 1e-7 if self.method == "extended" else 10 * self.eps ** (1 / 3)


@dataclass
class Estimates:
    """Derivatives at the chosen coordinates, one entry each.

    value: the derivative. resolution: the error in it that rounding inside `f` alone explains.
    slope, slope_check: the differences over h and over h/4 (`slope` is `value` except for complex steps).
    gap, gap_check: how far the slopes to the right and to the left are apart over h and over h/4.
    noise: the error in `slope` that rounding explains. right, left: the slopes to either side over h/4.
    gap_far: the gap over 64 h, looked at only where the others suggest a kink (elsewhere infinite).
    """

    value: Array
    resolution: Array
    slope: Array
    slope_check: Array
    gap: Array
    gap_check: Array
    noise: Array
    right: Array
    left: Array
    gap_far: Array

    @classmethod
    def of_slopes(cls, slopes: Array) -> Estimates:
        """Estimates of a function known to be smooth and exact, to be filled in where it is not."""
        zero, far = np.zeros(slopes.shape), np.full(slopes.shape, np.inf)
        return cls(*(v.copy() for v in (slopes, zero, slopes, slopes, zero, zero, zero, slopes, slopes, far)))

    def kinks(self, floor: float, threshold: float) -> Array:
        """A boolean mask of the coordinates where `f` has no derivative, or bends too sharply for the step."""
        size = np.maximum(np.maximum(abs(self.slope), abs(self.slope_check)), floor)
        unsteady = abs(self.slope - self.slope_check) - 8 * self.noise > threshold * size
        # The slopes of a smooth function approach each other four times as closely over h/4.
        broken = (self.gap_check - 32 * self.noise > threshold * size) & (self.gap_check > 0.5 * self.gap)
        rounding = self.gap_far < self.gap_check / 32  # a kink's gap stays, a bend's grows with the step
        return (unsteady | broken) & ~rounding


def plan_for(f: Watched, x: Array, method: str, step: float | None, rng: np.random.Generator) -> Plan:
    """The best plan that `f` allows at `x` (float64 or wider), or the one asked for."""
    reasons = []
    for name in METHODS if method == "auto" else (method,):
        plan, reason = _TRIALS[name](f, x, rng)
        if plan is not None and step is not None:
            least = 4 * float(np.finfo(plan.dtype).eps)  # a quarter of the step has to move x too
            if step < least:
                raise ConfigError(f"check_gradient: step must be >= {least:.2g}, below which x stays, got {step}")
            return Plan(plan.method, plan.dtype, step, plan.eps)
        if plan is not None:
            return plan
        reasons.append(reason)
    raise ConfigError(f"check_gradient: method {method!r} cannot be used: {'; '.join(reasons)}")


def _try_extended(f: Watched, x: Array, rng: np.random.Generator) -> tuple[Plan | None, str]:
    wide = np.dtype(np.longdouble)
    if not HAS_EXTENDED:
        return None, "this platform has no floating-point type wider than float64"
    try:
        out = f(x.astype(wide))
    except Exception as error:
        return None, f"f refuses extended precision ({error})"
    if out.dtype != wide:
        return None, f"f does not keep extended precision but returns {out.dtype}"
    return Plan("extended", wide, 2.0**-15, float(np.finfo(wide).eps)), ""


def _try_complex(f: Watched, x: Array, rng: np.random.Generator) -> tuple[Plan | None, str]:
    x = x.astype(np.float64)
    x = x + rng.uniform(-1e-3, 1e-3, x.shape) * np.maximum(1, abs(x))  # off a kink, should x lie on one
    direction = rng.uniform(0.5, 1.0, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a cast that discards the imaginary part only warns
            out = f(x + 1j * _COMPLEX_STEP * direction)
    except Exception as error:
        return None, f"f refuses complex numbers ({error})"
    if out.dtype.kind != "c":
        return None, f"f does not keep complex numbers but returns {out.dtype}"
    h = 1e-6
    ahead, behind = f(x + h * direction), f(x - h * direction)
    slope = (ahead - behind) / (2 * h)
    floor = 1e-6 * max(1.0, float(np.max(abs(ahead), initial=0.0)))
    if np.any(abs(out.imag / _COMPLEX_STEP - slope) > 1e-4 * abs(slope) + floor):
        return None, "f is not analytic in complex numbers (it takes an absolute value or a real part, say)"
    return Plan("complex", np.dtype(np.complex128), np.finfo(np.float64).eps ** (1 / 3), 2.0**-52), ""


def _try_central(f: Watched, x: Array, rng: np.random.Generator) -> tuple[Plan | None, str]:
    out = f(x.astype(np.float64))
    eps = float(np.finfo(out.dtype).eps) if out.dtype.kind == "f" else 2.0**-52
    eps = max(eps, 2.0**-52, relative_noise(f, x.astype(np.float64), rng))
    return Plan("central", np.dtype(np.float64), eps ** (1 / 3), eps), ""


_TRIALS = {"extended": _try_extended, "complex": _try_complex, "central": _try_central}


def differentiate(f: Watched, x: Array, dout: Array, coordinates: Array, plan: Plan) -> Estimates:
    """The derivative of Σ dout · f(x) with respect to each of `coordinates` (flat indices)."""
    real = np.dtype(np.float64) if plan.method == "complex" else plan.dtype
    x, dout = x.astype(real), dout.astype(real)
    middle = f(x)
    rows = [_one(f, x, dout, middle, int(i), plan) for i in coordinates]
    return Estimates(*np.array(rows, dtype=real).reshape(-1, 10).T)


def _one(f: Watched, x: Array, dout: Array, middle: Array, i: int, plan: Plan) -> tuple[Any, ...]:
    wanted = x.dtype.type(plan.step) * max(x.dtype.type(1), abs(x.flat[i]))
    h = (x.flat[i] + wanted) - x.flat[i]  # the step that x really takes after rounding
    reach = (1, 2) if plan.method == "extended" else (1,)

    def along(h: Any) -> tuple[Any, ...]:
        right = [f.moved(x, i, k * h) for k in reach]
        left = [f.moved(x, i, -k * h) for k in reach]
        rise = [r - s for r, s in zip(right, left, strict=True)]
        # Differences first, then the sum over outputs: those that x_i does not touch drop out exactly.
        slope = (8 * rise[0] - rise[1]) / (12 * h) if len(reach) == 2 else rise[0] / (2 * h)
        ahead, behind = (np.sum(dout * side) / h for side in (right[0] - middle, middle - left[0]))
        size = np.sum(abs(dout) * np.where(rise[0] != 0, np.maximum(abs(right[0]), abs(left[0])), 0))
        return np.sum(dout * slope), abs(ahead - behind), 2 * plan.eps * size / h, ahead, behind

    slope, gap, noise, _, _ = along(h)
    slope_check, gap_check, _, ahead, behind = along(h / 4)
    gap_far = np.inf
    if gap_check > gap:  # it should have become smaller: a kink, or rounding
        moved = [f.moved(x, i, by) for by in (64 * h, -64 * h)]
        gap_far = abs(np.sum(dout * (moved[0] - 2 * middle + moved[1]))) / (64 * h)
    value, resolution = slope, noise
    if plan.method == "complex":
        derivative = f.moved(x.astype(np.complex128), i, 1j * _COMPLEX_STEP).imag / _COMPLEX_STEP
        value, resolution = np.sum(dout * derivative), 8 * plan.eps * np.sum(abs(dout * derivative))
    return value, resolution, slope, slope_check, gap, gap_check, noise, ahead, behind, gap_far


def jacobian(f: Watched, x: Array, plan: Plan) -> Array:
    """∂f/∂x by the plan's method, f(x).shape + x.shape (float64): every output's derivative, not their sum.

    Two evaluations a coordinate: differences of second order, with the step that suits them.
    """
    real = np.dtype(np.float64) if plan.method == "complex" else plan.dtype
    step = real.type(plan.eps ** (1 / 3))
    x = x.astype(real)
    columns = []
    for i in range(x.size):
        if plan.method == "complex":
            columns.append(f.moved(x.astype(np.complex128), i, 1j * _COMPLEX_STEP).imag / _COMPLEX_STEP)
            continue
        h = step * max(real.type(1), abs(x.flat[i]))
        h = (x.flat[i] + h) - x.flat[i]
        columns.append((f.moved(x, i, h) - f.moved(x, i, -h)) / (2 * h))
    return np.stack(columns, axis=-1).astype(np.float64).reshape(*columns[0].shape, *x.shape)
