"""Faults of recurrent networks: steps that do not hand their gradient on to the step before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Prediction, right_equation
from chainrule.check.diagnosis.sample import Sample


class GradientThroughTime(Hypothesis):
    """∂L/∂h of a later step does not flow into the one before, or what arrives there is not added to its own."""

    name, title = "gradient-through-time", "rnn: the gradient does not flow back through time"
    kinds = ("rnn",)

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The vanilla recurrent network with the later steps' part left out, or alone."""
        roles = ("x", "prev_h", "Wx", "Wh", "b")
        values = [s.value(role) for role in roles]
        if any(v is None for v in values) or s.out.ndim != 3 or s.roles.get(name) not in roles:
            return
        role = s.roles[name]
        right = _backward(s, values, own=True, later=True)
        if right is None or s.distance(right[role].reshape(s.values[name].shape), s.numeric(name)) > 1e-5:
            return
        for label, words, own, later in (
            ("missing", "each step sees its own dh only, not what the later steps hand back", True, False),
            ("alone", "the later steps' gradient replaces dh instead of being added to it", False, True),
        ):
            found = _backward(s, values, own=own, later=later)
            if found is not None:
                equation = f"da_t = (dh[:, t] + dprev_h) * (1 - h_t**2);  {right_equation(s, name)}"
                yield Prediction(found[role].reshape(s.values[name].shape), label, words, equation)


def _backward(s: Sample, values: list[Array], *, own: bool, later: bool) -> dict[str, Array] | None:
    x, h0, wx, wh, _ = values
    h = s.out
    if wx.shape != (x.shape[2], h.shape[2]) or wh.shape != (h.shape[2], h.shape[2]):
        return None
    found = {role: np.zeros(np.shape(v)) for role, v in zip(("x", "prev_h", "Wx", "Wh", "b"), values, strict=True)}
    steps = h.shape[1]
    back = np.zeros_like(h0)
    for t in reversed(range(steps)):
        # The last step has nothing behind it: there its own gradient is all there is.
        dh = s.dout[:, t] * (own or t == steps - 1) + back * later
        da = dh * (1 - h[:, t] ** 2)
        before = h[:, t - 1] if t else h0
        found["x"][:, t] = da @ wx.T
        found["Wx"] += x[:, t].T @ da
        found["Wh"] += before.T @ da
        found["b"] += da.sum(axis=0)
        back = da @ wh.T
    found["prev_h"] = back
    return found
