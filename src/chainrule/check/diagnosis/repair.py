"""Looking for one small change of the code that makes the gradients right: the last resort of a diagnosis.

The backward function is compiled again with one edit at a time, and run on the same values; an edit is taken if every
gradient then agrees with the derivatives by differences, in every case.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
import textwrap
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import chainrule
from chainrule.check.diagnosis.edits import Edit, edits, is_arithmetic
from chainrule.check.diagnosis.objects import Model, ObjectPair
from chainrule.check.diagnosis.sample import Sample
from chainrule.check.diagnosis.subject import FunctionPair, LossFunction, Subject
from chainrule.check.diagnosis.user_code import UserCodeError, inner
from chainrule.errors import ChainruleError

#: After how many lines of Python, of all tries together, the search ends: a count and no time, so that a busy machine
#: gives the answer that a quiet one gives. To compile a try counts as so many lines.
MOST_LINES, LINES_TO_COMPILE = 6_000_000, 400
HOME = Path(chainrule.__file__).resolve().parent


@dataclass(frozen=True)
class Repair:
    """The edit that makes all gradients right. place: file and line."""

    edit: Edit
    place: str


def find_repair(samples: list[Sample]) -> Repair | None:
    """The first edit that mends all cases; None where none does, or the code cannot be tried with changes."""
    subject = samples[0].subject
    place = _place(subject)
    if place is None or any(s.failure for s in samples):
        return None
    function, install = place
    module = _source(function)
    if module is None:
        return None
    code = inner(function).__code__
    tries = MOST_LINES // (_lines_of_a_run(samples[0]) + LINES_TO_COMPILE)
    try:
        for edit in itertools.islice(edits(module), tries):
            changed = _compiled(module, function)
            if changed is None:
                continue
            install(changed)
            if all(_mends(s) for s in samples):
                line = code.co_firstlineno + edit.line - 1
                return Repair(edit, f"{Path(code.co_filename).name}, line {line}")
    finally:
        install(function)
    return None


def _lines_of_a_run(s: Sample) -> int:
    """How many lines of Python one run takes."""
    count = 0

    def counted(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        s.subject.run(s.values, s.dout)
    finally:
        sys.settrace(before)
    return count


def _place(subject: Subject) -> tuple[Any, Callable[[Any], None]] | None:
    """The function that makes the gradients, and how to put another in its place."""
    holder: Any = {FunctionPair: "backward", LossFunction: "function"}.get(type(subject))
    owner: Any = subject
    if isinstance(subject, ObjectPair):
        owner, holder = subject.owner, "backward"
    elif isinstance(subject, Model):
        owner, holder = subject.model, "loss"
    if holder is None:
        return None
    return getattr(owner, holder), lambda function: setattr(owner, holder, function)


def _source(function: Any) -> ast.Module | None:
    plain = inner(function)
    if not isinstance(plain, types.FunctionType) or plain.__closure__ or hasattr(function, "__wrapped__"):
        return None
    if HOME in Path(plain.__code__.co_filename).resolve().parents:
        return None  # this package stands between: its own code is none of the user's
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    if len(module.body) != 1 or not isinstance(module.body[0], ast.FunctionDef) or module.body[0].decorator_list:
        return None
    helpers = [n for n, f in plain.__globals__.items() if _is_helper(f, plain)]
    return module if is_arithmetic(module.body[0], helpers) else None


def _is_helper(value: Any, function: types.FunctionType) -> bool:
    """Whether `value` is a function of the same file that only does arithmetic."""
    if not isinstance(value, types.FunctionType) or value.__code__.co_filename != function.__code__.co_filename:
        return False
    try:
        module = ast.parse(textwrap.dedent(inspect.getsource(value)))
    except (OSError, SyntaxError, ValueError):
        return False
    return isinstance(module.body[0], ast.FunctionDef) and is_arithmetic(module.body[0])


def _compiled(tree: ast.Module, function: Any) -> Any:
    plain = inner(function)
    space: dict[str, Any] = {}
    try:
        exec(compile(tree, plain.__code__.co_filename, "exec"), plain.__globals__, space)
    except (SyntaxError, ValueError, TypeError):
        return None
    made = next(iter(space.values()))
    owner = getattr(function, "__self__", None)
    return made if owner is None else types.MethodType(made, owner)


def _mends(s: Sample) -> bool:
    try:
        with np.errstate(all="ignore"):
            run = s.subject.run(s.values, s.dout)
            for name in s.subject.wanted:
                got = run.found.get(name)
                if got is None or np.asarray(got).dtype.kind not in "fiub":
                    return False
                if s.distance(got, s.numeric(name)) > s.tolerance(name):
                    return False
            # A loss whose gradient is made in the same function must stay the same.
            return bool(s.subject.takes_dout or np.allclose(s.subject.output(s.values), s.out, rtol=1e-9))
    except (UserCodeError, ChainruleError, TypeError, ValueError):
        return False
