"""Mistakes in models, which show in the regularisation first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.grade.inside.routines import ROUTINES, Find
from chainrule.grade.mistakes.mistake import Mistake, other_call
from chainrule.grade.result import Cause

_LOSS = "loss += 0.5 * reg * np.sum(W * W)"
_GRADIENT = "dW += reg * W"


def _with_reg(factor: float) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    def change(call: dict[str, Any]) -> dict[str, Any] | None:
        reg = call["options"].get("reg", 0.0)
        return {**call, "options": {**call["options"], "reg": factor * reg}} if reg else None

    return change


def _on_vectors(find: Find, call: Mapping[str, Any], routine: str) -> Mapping[str, Any] | None:
    """Biases (and γ, β) regularised like weights."""
    reg = call["options"].get("reg", 0.0)
    if not reg or routine != "model":
        return None
    results = dict(ROUTINES[routine](find, call))
    vectors = {name: np.asarray(value) for name, value in call["params"].items() if np.ndim(value) == 1}
    gradients = results["gradients"]
    results["gradients"] = {n: g + reg * vectors[n] if n in vectors else g for n, g in gradients.items()}
    results["loss"] = results["loss"] + 0.5 * reg * sum(float(np.sum(v * v)) for v in vectors.values())
    return results


def _sum_not_mean(find: Find, call: Mapping[str, Any], routine: str) -> Mapping[str, Any] | None:
    if routine != "model" or "loss" not in call["order"] or call["options"].get("reg", 0.0):
        return None
    results = dict(ROUTINES[routine](find, call))
    n = len(call["X"])
    results["gradients"] = {name: n * value for name, value in results["gradients"].items()}
    return results | {"loss": n * results["loss"]}


ALL: list[Mistake] = [
    other_call(
        "regularisation missing",
        "The loss lacks ½ reg ‖W‖², or the gradients lack reg W.",
        f"{_LOSS}; {_GRADIENT}",
        _with_reg(0),
    ),
    other_call(
        "factor 2 in the regularisation",
        "The loss has ½ reg ‖W‖², so that the gradient is reg W.",
        f"{_LOSS}; {_GRADIENT}",
        _with_reg(2),
    ),
    other_call(
        "half of the regularisation's gradient",
        "The derivative of ½ reg ‖W‖² is reg W, without a half.",
        _GRADIENT,
        _with_reg(0.5),
    ),
    Mistake(
        Cause(
            title="biases regularised",
            explanation="Only weights W are regularised; biases, γ and β are not.",
            equation=f"{_LOSS}, for every W only",
        ),
        _on_vectors,
    ),
    Mistake(
        Cause(title="missing 1/N", explanation="The loss is a mean over the batch.", equation="loss / N"), _sum_not_mean
    ),
]
