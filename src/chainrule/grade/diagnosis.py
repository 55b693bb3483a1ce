"""The diagnosis of gradient checks on a submission's backward pass, which stays in its limited process.

The forward pass is ours, as the gradients must be those of what the course asks for; each call of the backward pass is
a case of its own in the sandbox. Their number is limited, since a submission may be slow.
"""

from __future__ import annotations

import inspect
import time
import warnings
from typing import Any

import numpy as np

from chainrule.check import diagnose
from chainrule.errors import ChainruleError
from chainrule.grade.cases import Case, Drawing
from chainrule.grade.result import Cause
from chainrule.grade.sandbox import Sandbox

MOST_CALLS = 60
MOST_SECONDS = 20.0
_MOST = 2


class _NoAnswerError(Exception):
    """The submission failed, or has been asked often enough."""


def diagnosed_causes(case: Case, drawing: Drawing, sandbox: Sandbox, deadline: float) -> list[Cause]:
    """What is probably wrong with the backward pass of `case`, most probable first; [] where it cannot be told."""
    if case.routine != "backward" or case.call.get("keep_out"):
        return []
    call, asked, failed = case.call, 0, False
    ours = drawing.find(call["file"], call["forward"])
    end = min(deadline, time.monotonic() + MOST_SECONDS)

    def forward(*args: Any) -> Any:
        out, _ = ours(*(dict(arg) if isinstance(arg, dict) else arg for arg in args))
        return out, args

    def backward(dout: Any, cache: Any) -> Any:
        nonlocal asked, failed
        asked += 1
        if asked > MOST_CALLS or time.monotonic() > end or failed:
            failed = True
            raise _NoAnswerError
        plain = {key: value for key, value in call.items() if key != "others"}
        outcome = sandbox.run("backward", {**plain, "args": list(cache), "dout": np.asarray(dout)})
        failed = outcome.kind != "done"
        if failed:
            raise _NoAnswerError
        gradients = tuple(outcome.results.get(name) for name in call["gradients"])
        return gradients if len(gradients) > 1 else gradients[0]

    names = call["arguments"]
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    values = dict(zip(names, call["args"], strict=True))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = diagnose(forward, backward, values=values, corners=False, name=call["name"])
    except ChainruleError:
        return []
    if failed or found.verdict != "wrong":
        return []
    return [Cause(title=c.title, explanation=c.explanation, equation=c.equation) for c in found.causes[:_MOST]]
