"""Wrong gradients looked at as numbers: is one the right one times something, transposed, not summed, or another's?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.grade.cases import Case
from chainrule.grade.judge import difference
from chainrule.grade.result import Cause

_TOLERANCE = 1e-6
_MOST = 3


def gradient_causes(wrong: Sequence[tuple[Case, Mapping[str, Any]]]) -> list[Cause]:
    """Causes that fit the wrong gradients of these cases, those first that fit most often."""
    counts: Counter[tuple[str, str, str]] = Counter()
    names: dict[tuple[str, str, str], dict[str, None]] = {}
    for case, results in wrong:
        found_here = list(_of_case(case, results))
        counts.update({found for _, found in found_here})
        for name, found in found_here:
            names.setdefault(found, {})[name] = None
    causes = []
    for found, count in counts.most_common(_MOST):
        if 2 * count < len(wrong):  # a coincidence, as between gradients of one row
            break
        title, explanation, equation = found
        listed, first = ", ".join(names[found]), next(iter(names[found]))
        causes.append(
            Cause(title=title, explanation=f"{listed}: {explanation}.", equation=equation.replace("grad", first))
        )
    return causes


def _of_case(case: Case, results: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    if case.routine == "backward":
        names, right, got = case.call["gradients"], case.expected, results
        rows, dout = len(case.call["args"][0]), case.call["dout"]
    elif case.routine == "loss":
        names, right, got = ["dx"], case.expected, results
        rows, dout = len(case.call["x"]), None
    elif case.routine == "model" and isinstance(results.get("gradients"), Mapping):
        names, right, got = list(case.expected["gradients"]), case.expected["gradients"], results["gradients"]
        rows, dout = len(case.call["X"]), None
    else:
        return
    for name in names:
        value = got.get(name)
        if isinstance(value, np.ndarray) and difference(right[name], value, _TOLERANCE) is not None:
            others = {other: right[other] for other in names if other != name}
            found = _of_gradient(np.asarray(right[name]), value, rows, dout, others)
            if found is not None:
                yield name, found


def _of_gradient(
    right: np.ndarray, got: np.ndarray, rows: int, dout: Any, others: Mapping[str, Any]
) -> tuple[str, str, str] | None:
    def is_(value: Any) -> bool:
        value = np.asarray(value)
        return value.shape == got.shape and difference(value, got, _TOLERANCE) is None

    if right.any() and is_(np.zeros_like(right)):
        return "no gradient", "all zeros", ""
    if is_(-right):
        return "wrong sign", "the sign is wrong", "grad = -grad"
    if rows > 1 and is_(rows * right):
        return "missing 1/N", "N times what it should be", "grad = grad / N"
    if rows > 1 and is_(right / rows):
        words = "divided by N, but the batch's gradients must be summed, not averaged"
        return "a mean in place of a sum", words, "grad = N * grad"
    if is_(2 * right):
        return "factor 2", "twice what it should be", "grad = grad / 2"
    if is_(right / 2):
        return "factor 2", "half of what it should be", "grad = 2 * grad"
    if got.ndim == 2 and got.shape[0] != got.shape[1] and got.T.shape == right.shape and _near(right, got.T):
        return "transposed", "the transpose of what it should be", "grad = grad.T"
    if got.ndim == right.ndim + 1 and got.shape[1:] == right.shape and _near(right, got.sum(0)):
        return "missing sum over the batch", "must be summed over the batch", "grad = grad.sum(axis=0)"
    if dout is not None and is_(dout):
        return "dout passed on", "dout itself: the layer's own derivative is missing", ""
    for other, value in others.items():
        if is_(value):
            return "gradients in the wrong order", f"holds what {other} should hold", ""
    return None


def _near(right: np.ndarray, value: np.ndarray) -> bool:
    return difference(right, value, _TOLERANCE) is None
