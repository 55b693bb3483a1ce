"""Faults in layers of several steps: an activation between affine maps whose derivative is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.hypotheses.hypothesis import Hypothesis, Prediction, right_equation
from chainrule.check.diagnosis.hypotheses.losses import softmax
from chainrule.check.diagnosis.sample import Sample


class ActivationLeftOut(Hypothesis):
    """The derivative of the activation behind an affine map is missing or another one."""

    name, title = "activation-left-out", "the activation's derivative is missing or wrong"
    kinds = ("affine-relu", "rnn step")

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dz = dout times something else."""
        if s.kind is None or s.kind.name not in self.kinds or s.out.ndim != 2:
            return
        back = self._back(s, name)
        if back is None:
            return
        y = s.out
        forms = {
            "1, that is, left out": np.ones_like(y),
            "1 - y": 1 - y,
            "1 + y**2": 1 + y**2,
            "y * (1 - y)": y * (1 - y),
            "y": y,
            "dout > 0": (s.dout > 0).astype(float),
            "y < 0": (y <= 0).astype(float),
        }
        for formula, d in forms.items():
            words = f"the activation's derivative is {formula}"
            yield Prediction(back(s.dout * d), formula, words, right_equation(s, name))

    @staticmethod
    def _back(s: Sample, name: str) -> Any:
        role = s.roles.get(name)
        if s.kind is not None and s.kind.name == "rnn step":
            x, h = s.value("x"), s.value("prev_h")
            table = {"x": ("Wx", None), "prev_h": ("Wh", None), "Wx": (None, x), "Wh": (None, h)}
        else:
            x = s.value("x").reshape(len(s.value("x")), -1)
            table = {"x": ("w", None), "w": (None, x)}
        if role in table:
            weight, left = table[role]
            shape = s.values[name].shape
            if weight is not None and s.value(weight) is not None and s.value(weight).shape[1] == s.out.shape[1]:
                return lambda dz: (dz @ s.value(weight).T).reshape(shape)
            return None if left is None or len(left) != len(s.out) else (lambda dz: left.T @ dz)
        if role == "b" and np.size(s.values[name]) == s.out.shape[1]:
            return lambda dz: dz.sum(axis=0).reshape(s.values[name].shape)
        return None


class TransposedInside(Hypothesis):
    """Behind an activation: the weight that carries the gradient further is not transposed."""

    name, title = "transposed-weight", "a weight matrix is not transposed"
    kinds = ("affine-relu", "rnn step")

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """dz @ W in the place of dz @ W.T, for square W."""
        if s.kind is None or s.out.ndim != 2:
            return
        weight = s.value({"x": "Wx", "prev_h": "Wh"}.get(s.roles.get(name, ""), ""))
        d = 1 - s.out**2
        if s.kind.name == "affine-relu":
            weight, d = (s.value("w") if s.roles.get(name) == "x" else None), (s.out > 0).astype(float)
        if weight is not None and weight.shape[0] == weight.shape[1] == s.out.shape[1] == s.values[name].shape[-1]:
            product = ((s.dout * d) @ weight).reshape(s.values[name].shape)
            words = f"d{name} is the gradient times the weights themselves, not their transpose"
            yield Prediction(product, "", words, right_equation(s, name))


class NetworkFault(Hypothesis):
    """In affine – ReLU – affine – ... – softmax: the ReLU's mask, a transpose or a share of N is missing on the way."""

    name, title = "network-relu-mask", "network: the ReLU's mask is missing in the backward pass"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The reference network with the mask left out, or taken of something else."""
        net = _network(s)
        if net is None or name not in net.order:
            return
        for label, words, mask in (
            ("missing", "the gradient is passed through the ReLU as if it were linear", lambda a, d: np.ones_like(d)),
            ("dout", "the ReLU's mask is made of the gradient, not of its input", lambda a, d: (d > 0).astype(float)),
            ("inverted", "the ReLU's mask is inverted", lambda a, d: (a <= 0).astype(float)),
        ):
            yield Prediction(net.gradients(mask)[name] + net.rest(s, name), label, words, "dhidden[hidden <= 0] = 0")


class NetworkTransposed(Hypothesis):
    """In affine – ReLU – affine – ... – softmax: a weight matrix on the way back is not transposed."""

    name, title = "transposed-weight", "a weight matrix is not transposed"

    def wrong(self, s: Sample, name: str) -> Iterator[Prediction]:
        """The reference network with d @ W; for square matrices, as others raise."""
        net = _network(s)
        if net is None or name not in net.order:
            return
        if any(s.values[w].shape[0] != s.values[w].shape[1] for w in net.weights[1:]):
            return
        found = net.gradients(lambda a, d: (a > 0).astype(float), transposed=False)
        words = "on the way back the gradient is multiplied by the weights themselves, not by their transpose"
        yield Prediction(found[name] + net.rest(s, name), "", words, "dhidden = dscores @ W2.T")


class _Net:
    """affine – ReLU – ... – affine – softmax with parameters W1, b1, ..., as its derivatives confirm."""

    def __init__(self, s: Sample, weights: list[str], biases: list[str]) -> None:
        self.weights, self.biases = weights, biases
        self.order = [*weights, *biases]
        self.s = s
        x = s.values[s.subject.arguments[0]]
        self.y = s.values[s.subject.arguments[1]]
        hidden = x.reshape(len(x), -1)
        self.inputs, self.sums = [], []
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            self.inputs.append(hidden)
            a = hidden @ s.values[w] + s.values[b]
            self.sums.append(a)
            hidden = np.maximum(a, 0) if i < len(weights) - 1 else a
        self.right = self.gradients(lambda a, d: (a > 0).astype(float))

    def gradients(self, mask: Any, *, transposed: bool = True) -> dict[str, Array]:
        """By parameter; mask: (sums, gradient behind the ReLU) -> what it is multiplied by."""
        scores = self.sums[-1]
        d = softmax(scores)
        d[np.arange(len(scores)), self.y] -= 1
        d /= len(scores)
        found = {}
        for i in reversed(range(len(self.weights))):
            w, b = self.weights[i], self.biases[i]
            found[w] = self.inputs[i].T @ d
            found[b] = d.sum(axis=0).reshape(self.s.values[b].shape)
            if i:
                d = d @ (self.s.values[w].T if transposed else self.s.values[w])
                d = d * mask(self.sums[i - 1], d)
        return found

    def rest(self, s: Sample, name: str) -> Array:
        """The regulariser's part of the derivative."""
        return s.numeric(name) - self.right[name]


def _network(s: Sample) -> _Net | None:
    if "network" not in s.kept:
        s.kept["network"] = _find(s)
    return s.kept["network"]


def _find(s: Sample) -> _Net | None:
    if s.subject.takes_dout or len(s.subject.arguments) < 4:
        return None
    names = [n for n in s.subject.arguments if isinstance(s.values.get(n), np.ndarray)]
    weights = sorted(n for n in names if s.roles.get(n) == "w" and s.values[n].ndim == 2)
    biases = sorted(n for n in names if s.roles.get(n) == "b")
    if len(weights) != len(biases) or len(weights) < 2:
        return None
    try:
        net = _Net(s, weights, biases)
        rest = {n: net.rest(s, n) for n in weights}
    except (ValueError, IndexError, KeyError):
        return None
    for name, left in rest.items():
        w = s.values[name]
        k = float(np.sum(left * w) / np.sum(w * w))
        if np.max(abs(left - k * w)) > 1e-5:
            return None
    return net
