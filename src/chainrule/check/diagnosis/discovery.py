"""What a Python file offers to check: pairs of functions, losses, layers, objects and models, found by their names."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chainrule.check.diagnosis.engine import diagnose
from chainrule.check.diagnosis.findings import Diagnosis
from chainrule.check.diagnosis.naming import parameters_of, returned_names
from chainrule.check.diagnosis.user_code import is_callable_pair
from chainrule.errors import ConfigError, DTypeError, describe, require_text, unknown
from chainrule.layers import Layer

WORDS = (("forward", "backward"), ("Forward", "Backward"), ("fwd", "bwd"), ("_fw", "_bw"), ("prop", "backprop"))


@dataclass(frozen=True)
class Check:
    """One thing to check. name: for reports and `FILE.py:name`."""

    name: str
    forward: Any
    backward: Any = None

    def diagnose(self, **options: Any) -> Diagnosis:
        """`diagnose` with the options."""
        return diagnose(self.forward, self.backward, name=self.name, **options)


def find_checks(module: Any, name: str | None = None) -> list[Check]:
    """All checks of a module, in the order in which they are written; or those that `name` stands for.

    Classes from which others of the module derive are checked through those only.
    name: of a forward or backward function, a loss, a class or an object, or what a pair is called without "forward".
    Raises `ConfigError` if there is none.
    """
    looks_like_one = hasattr(module, "__dict__") and isinstance(getattr(module, "__name__", None), str)
    if not isinstance(module, types.ModuleType) and (callable(module) or not looks_like_one):
        raise DTypeError(f"find_checks: module must be a module, got {describe(module)}")
    if name is not None:
        require_text("find_checks", "name", name)
    own = {k: v for k, v in vars(module).items() if _is_own(v, module)}
    found = list(_checks(own))
    if not found and name is None:
        raise ConfigError(
            "nothing to check was found in the module; a file needs a pair such as relu_forward and relu_backward, a "
            "function that returns (loss, gradient), a class with forward and backward, or a model with loss and params"
        )
    if name is None:
        return found
    chosen = [c for c in found if name in _names(c)]
    if not chosen and callable(own.get(name)):
        chosen = [Check(name, own[name])]
    if not chosen and name in own:
        chosen = [Check(name, own[name])] if is_callable_pair(own[name]) or hasattr(own[name], "loss") else []
    if not chosen:
        raise unknown("check", name, [n for c in found for n in _names(c)[:1]] or list(own))
    return chosen


def _names(check: Check) -> tuple[str, ...]:
    names = [check.name, getattr(check.forward, "__name__", ""), getattr(check.backward, "__name__", "")]
    if check.backward is not None:
        names.append(check.forward.__name__.replace("_forward", "").replace("forward_", ""))
    return tuple(dict.fromkeys(n for n in names if n))


def _is_own(value: Any, module: Any) -> bool:
    if inspect.ismodule(value):
        return False
    if inspect.isfunction(value) or inspect.isclass(value):
        return getattr(value, "__module__", None) == module.__name__
    return is_callable_pair(value) or (callable(getattr(value, "loss", None)) and hasattr(value, "params"))


def _checks(own: dict[str, Any]) -> Iterator[Check]:
    functions = {k: v for k, v in own.items() if inspect.isfunction(v)}
    used: set[str] = set()
    bases = {b for v in own.values() if inspect.isclass(v) for b in v.__mro__[1:]}
    for name, function in own.items():
        if name in functions:
            backwards = [b for b in _backwards(name, functions) if b not in used]
            for i, backward in enumerate(backwards):
                used.add(backward)
                yield Check(name if i == 0 else f"{name}/{backward}", function, functions[backward])
            if not backwards and name not in used and _returns_loss(name, function):
                yield Check(name, function)
        elif inspect.isclass(function) and function in bases:
            continue  # what it has is checked in the classes that derive from it
        elif inspect.isclass(function):
            abstract = inspect.isabstract(function)
            if issubclass(function, Layer):
                complete = {"forward", "backward", "examples"} <= set(vars(function))
            else:
                complete = is_callable_pair(function) and not abstract and not _is_base(function)
            if complete or (not abstract and not is_callable_pair(function) and _is_model(function)):
                yield Check(name, function)
        elif isinstance(function, Layer) or is_callable_pair(function) or hasattr(function, "loss"):
            yield Check(name, function)


def _is_model(cls: Any) -> bool:
    return callable(getattr(cls, "loss", None)) and len(parameters_of(cls.loss)) >= 3  # self, X, y


def _is_base(cls: type) -> bool:
    """A class whose passes are only there to be overridden."""
    try:
        return "NotImplementedError" in inspect.getsource(cls.forward)  # type: ignore[attr-defined]
    except (OSError, TypeError):
        return False


def _backwards(name: str, functions: dict[str, Any]) -> list[str]:
    """The backward functions of a forward function: the same name, and variants of it (`_alt`, `_naive`)."""
    for forward, backward in WORDS:
        if forward not in name or name.startswith("backprop"):
            continue
        exact = name.replace(forward, backward, 1)
        found = [exact] if exact in functions else []
        variants = [
            f for f in functions if f.startswith(f"{exact}_") and f.replace(backward, forward, 1) not in functions
        ]
        if found or variants:
            return [*found, *variants]
        # The variant may be in the forward function's name only.
        stem = name[: name.index(forward)] + backward
        if backward not in ("backprop",) and stem in functions and functions[stem] is not functions[name]:
            return [stem]
    for candidate in (
        f"{name}_backward",
        f"{name}_grad",
        f"{name}_prime",
        f"d_{name}",
        f"backward_{name}",
        f"{name}_bwd",
    ):
        if candidate in functions and len(parameters_of(functions[candidate])) >= 2:
            return [candidate]
    return []


def _returns_loss(name: str, function: Any) -> bool:
    lowered = name.lower()
    if lowered.startswith("_") or any(word in lowered for word in ("backward", "numerical", "eval_")):
        return False
    returned = returned_names(function)
    speaks = any(word in lowered for word in ("loss", "cost", "entropy", "mse", "objective", "nll", "hinge", "error"))
    pair = len(returned) in (2, 3, 4) or (len(returned) >= 2 and speaks)
    gradient = any(n is not None and (n.startswith(("d", "grad"))) for n in returned[1:])
    return pair and (speaks or (gradient and returned[0] in ("loss", "cost", "J", "L")))
