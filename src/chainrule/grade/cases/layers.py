"""Cases of layers and losses, each drawn anew for every submission: odd sizes, one row, strides, padding."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.grade.cases.case import Case, Drawing, Item, Judge
from chainrule.grade.judge import Finding, changed, compare, compare_all, only

Dict = dict[str, Any]


@dataclass(frozen=True)
class Draw:
    """Arguments of one forward call; `more` calls on the same dictionary, and what of that is compared after each.

    judge: of the forward pass.
    """

    label: str
    args: list[Any]
    more: list[Dict] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    judge: Judge = compare_all


@dataclass(frozen=True)
class Pair:
    """A forward function and its backward functions. trained: draws for the latter, where they differ."""

    forward: str
    backward: tuple[str, ...]
    arguments: tuple[str, ...]
    gradients: tuple[str, ...]
    draw: Callable[[Drawing, int], Draw]
    trained: Callable[[Drawing, int], Draw] | None = None

    def items(self) -> dict[str, Item]:
        """One item for each function."""
        found = {self.forward: Item("layers", (self.forward,), self._forward)}
        for name in self.backward:
            found[name] = Item("layers", (self.forward, name), functools.partial(self._backward, name), (self.forward,))
        return found

    def _forward(self, d: Drawing) -> list[Case]:
        cases = []
        for i in range(d.count):
            draw = self.draw(d, i)
            call = {"file": d.path("layers"), "name": self.forward, "args": draw.args}
            call |= {"arguments": list(self.arguments), "more": draw.more, "keep": draw.keep}
            cases.append(d.case(draw.label, "forward", call, draw.judge))
        return cases

    def _backward(self, name: str, d: Drawing) -> list[Case]:
        cases, of = [], self.draw if self.trained is None else self.trained
        for i in range(d.count):
            draw, others = of(d, i), of(d, i + 1)
            call = {"file": d.path("layers"), "forward": self.forward, "name": name, "args": draw.args}
            call |= {"others": others.args, "arguments": list(self.arguments), "gradients": list(self.gradients)}
            shape = d.expected("forward", {**call, "name": self.forward})["out"].shape
            cases.append(d.case(draw.label, "backward", {**call, "dout": d.normal(*shape)}))
        return cases


def shapes(*arrays: tuple[str, np.ndarray]) -> str:
    """ "x (2, 3), w (3, 4)"."""
    return ", ".join(f"{name} {array.shape}" for name, array in arrays)


def affine(d: Drawing, i: int) -> Draw:
    """x of several axes, one row, one input, one output."""
    lead = [(d.size(2, 5), d.size(2, 4), d.size(2, 3)), (1, d.size(3, 7)), (d.size(3, 7), 1), (2, 3, 1, d.size(2, 3))]
    x = d.normal(*lead[i % 4])
    return _affine(d, x, 1 if i % 4 == 1 else d.size(2, 5))


def fully_connected(d: Drawing, i: int) -> Draw:
    """x (N, D) only."""
    x = d.normal(*[(d.size(3, 7), d.size(2, 5)), (1, d.size(3, 7)), (d.size(2, 7), 1)][i % 3])
    return _affine(d, x, 1 if i % 3 == 1 else d.size(2, 5))


def _affine(d: Drawing, x: np.ndarray, outputs: int) -> Draw:
    w, b = d.normal(x[0].size, outputs), d.normal(outputs)
    return Draw(shapes(("x", x), ("w", w)), [x, w, b])


def elementwise(d: Drawing, i: int) -> Draw:
    """A matrix, images, one row."""
    x = d.normal(*[(d.size(3, 7), d.size(3, 7)), (2, 3, d.size(2, 5), 3), (1, d.size(4, 9)), (3, 1, 5)][i % 4])
    return Draw(shapes(("x", x)), [x])


def trained_norm(d: Drawing, i: int, images: bool = False) -> Draw:
    """Columns of several sizes, one row, other momentum and eps; one batch, in training."""
    rows = [d.size(5, 9), d.size(3, 6), d.size(4, 8), 1][i % 4]
    tail = (d.size(2, 4), *((d.size(2, 4), d.size(2, 5)) if images else ()))
    param: Dict = {"mode": "train"} | ({"momentum": 0.6, "eps": 1e-2} if i % 2 else {})
    x = _batch(d, rows, tail)
    label = shapes(("x", x)) + (f", momentum {param['momentum']}, eps {param['eps']}" if i % 2 else "")
    return Draw(label, [x, d.normal(tail[0]), d.normal(tail[0]), param])


def batch_norm(d: Drawing, i: int, images: bool = False) -> Draw:
    """In turn: the output in training, the running statistics, test mode, and all of it."""
    draw = trained_norm(d, i, images)
    x, *_, param = draw.args
    tail, kept = x.shape[1:], ["running_mean", "running_var"]
    again: Dict = {"x": _batch(d, 4, tail), "update": {}}
    if i % 4 == 1:
        steps = [f"{name} after call {call}" for call in (1, 2) for name in kept]
        return replace(draw, label=f"running statistics, {draw.label}", more=[again], keep=kept, judge=only(*steps))
    if i % 4 == 2:
        param |= {"mode": "test", "running_mean": d.normal(tail[0]), "running_var": abs(d.normal(tail[0]))}
        return replace(draw, label=f"test mode, {draw.label}")
    if i % 4 == 3:
        test: Dict = {"x": _batch(d, 3, tail), "update": {"mode": "test"}}
        return replace(draw, label=f"two batches, then test mode, {draw.label}", more=[again, test], keep=kept)
    return draw


def _batch(d: Drawing, rows: int, tail: tuple[int, ...]) -> np.ndarray:
    """Rows of which each channel has its own mean and spread."""
    scale = np.exp(d.rng.normal(size=tail[0])).reshape(-1, *(1,) * (len(tail) - 1))
    return d.normal(rows, *tail) * scale + 2 * scale


def layer_norm(d: Drawing, i: int) -> Draw:
    """Rows of several sizes; one row; another eps."""
    x = d.normal(1 if i % 4 == 1 else d.size(3, 6), d.size(3, 7)) * 3 + 1
    return Draw(shapes(("x", x)), [x, d.normal(x.shape[1]), d.normal(x.shape[1]), {"eps": 1e-2} if i % 2 else {}])


def group_norm(d: Drawing, i: int) -> Draw:
    """Several groups, one group, a group a channel; gamma and beta (1, C, 1, 1) as in the notebooks."""
    groups, each = [(2, 3), (1, 4), (3, 1), (3, 2)][i % 4]
    channels = groups * each
    x = d.normal(1 if i % 4 == 3 else d.size(2, 3), channels, d.size(2, 4), d.size(2, 5)) * 2 + 1
    gamma, beta = d.normal(1, channels, 1, 1), d.normal(1, channels, 1, 1)
    return Draw(f"{shapes(('x', x))}, G = {groups}", [x, gamma, beta, groups, {"eps": 1e-2} if i % 2 else {}])


def convolution(d: Drawing, i: int) -> Draw:
    """Stride and padding, windows that are not square, one image, one channel."""
    stride, pad, (high, wide) = [(1, 1, (3, 3)), (2, 1, (3, 2)), (3, 0, (2, 4)), (1, 2, (4, 3))][i % 4]
    height, width = (size + stride * d.size(1, 3) for size in (high, wide))  # so that windows fit without a rest
    height, width = max(height - 2 * pad, 1), max(width - 2 * pad, 1)
    x = d.normal(1 if i % 4 == 2 else 2, 1 if i % 4 == 3 else d.size(2, 3), height, width)
    w = d.normal(d.size(2, 3), x.shape[1], high, wide)
    label = f"{shapes(('x', x), ('w', w))}, stride {stride}, pad {pad}"
    return Draw(label, [x, w, d.normal(len(w)), {"stride": stride, "pad": pad}])


def valid_convolution(d: Drawing, i: int) -> Draw:
    """The same without stride, padding and bias."""
    high, wide = [(3, 3), (3, 2), (1, 4), (2, 1)][i % 4]
    x = d.normal(1 if i % 4 == 2 else 2, 1 if i % 4 == 3 else d.size(2, 3), high + d.size(0, 3), wide + d.size(0, 3))
    w = d.normal(d.size(1, 3), x.shape[1], high, wide)
    return Draw(shapes(("x", x), ("w", w)), [x, w])


def max_pool(d: Drawing, i: int) -> Draw:
    """Windows side by side, not square, overlapping, one image."""
    high, wide, stride = [(2, 2, 2), (2, 3, 2), (3, 3, 2), (3, 2, 1)][i % 4]
    height, width = high + stride * d.size(1, 2), wide + stride * d.size(1, 2)
    count = (1 if i % 4 == 1 else 2) * d.size(2, 3) * height * width
    x = d.rng.permutation(np.linspace(-1.5, 1.5, count)).reshape(1 if i % 4 == 1 else 2, -1, height, width)
    label = f"{shapes(('x', x))}, windows {high} × {wide}, stride {stride}"
    return Draw(label, [x, {"pool_height": high, "pool_width": wide, "stride": stride}])


_NORM = (("x", "gamma", "beta", "bn_param"), ("dx", "dgamma", "dbeta"))
_WEIGHTS = (("x", "w", "b"), ("dx", "dw", "db"))
PAIRS = (
    Pair("affine_forward", ("affine_backward",), *_WEIGHTS, affine),
    Pair("fc_forward", ("fc_backward",), *_WEIGHTS, fully_connected),
    Pair("relu_forward", ("relu_backward",), ("x",), ("dx",), elementwise),
    Pair("batchnorm_forward", ("batchnorm_backward", "batchnorm_backward_alt"), *_NORM, batch_norm, trained_norm),
    Pair(
        "spatial_batchnorm_forward",
        ("spatial_batchnorm_backward",),
        *_NORM,
        functools.partial(batch_norm, images=True),
        functools.partial(trained_norm, images=True),
    ),
    Pair("layernorm_forward", ("layernorm_backward",), *_NORM, layer_norm),
    Pair(
        "spatial_groupnorm_forward",
        ("spatial_groupnorm_backward",),
        ("x", "gamma", "beta", "G", "gn_param"),
        ("dx", "dgamma", "dbeta"),
        group_norm,
    ),
    Pair(
        "conv_forward_naive",
        ("conv_backward_naive",),
        ("x", "w", "b", "conv_param"),
        ("dx", "dw", "db"),
        convolution,
    ),
    Pair("conv_forward", ("conv_backward",), ("x", "w"), ("dx", "dw"), valid_convolution),
    Pair("max_pool_forward_naive", ("max_pool_backward_naive",), ("x", "pool_param"), ("dx",), max_pool),
    Pair("max_pool_forward", ("max_pool_backward",), ("x", "pool_param"), ("dx",), max_pool),
)


# -- losses --------------------------------------------------------------------------------------------------------


def loss_item(name: str) -> Item:
    """A loss of scores (N, C): several sizes, one row, scores so large that a plain exp overflows."""

    def make(d: Drawing) -> list[Case]:
        cases = []
        for i in range(d.count):
            n, classes = (1, d.size(3, 5)) if i % 4 == 1 else (d.size(3, 8), d.size(2, 6))
            scale = 1000.0 if i % 4 == 2 else 2.0
            x, y = d.normal(n, classes) * scale, d.rng.integers(0, classes, n)
            label = shapes(("x", x)) + (", scores near 1000" if scale > 2 else "")
            cases.append(d.case(label, "loss", {"file": d.path("layers"), "name": name, "x": x, "y": y}))
        return cases

    return Item("layers", (name,), make)


def binary_loss_item(name: str) -> Item:
    """A loss of scores (N,), with labels 0 and 1 or −1 and +1; the course asks for one of the two, whichever."""

    def make(d: Drawing) -> list[Case]:
        cases = []
        for i in range(d.count):
            n = 1 if i % 4 == 1 else d.size(4, 9)
            x, y = d.normal(n) * 2, d.rng.integers(0, 2, n)
            call = {"file": d.path("layers"), "name": name, "x": x, "y": y, "or_y": 2 * y - 1}
            cases.append(d.case(shapes(("x", x)), "loss", call, either_labels))
        return cases

    return Item("layers", (name,), make)


def either_labels(expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
    """Right with labels 0 and 1, or right with labels −1 and +1."""
    found = compare_all({name: expected[name] for name in ("loss", "dx")}, got, tolerance)
    other = got.get("or")
    if found and isinstance(other, Mapping) and not compare_all(expected["or"], other, tolerance):
        return []
    return found


# -- dropout -------------------------------------------------------------------------------------------------------


def dropout_forward(d: Drawing) -> list[Case]:
    """In training, in test mode, and with a seed; which units are dropped is the submission's own choice."""
    cases = []
    for i in range(d.count):
        x = d.normal(d.size(30, 50), d.size(31, 51)) + 4
        p = [0.25, 0.7, 0.4, 0.6][i % 4]
        mode = "test" if i % 4 == 1 else "train"
        call = {"file": d.path("layers"), "name": "dropout_forward", "args": [x, {"mode": mode, "p": p, "seed": 7 + i}]}
        call |= {"arguments": ["x", "dropout_param"], "more": [{"x": x, "update": {}}]}
        judge = compare_all if mode == "test" else MaskJudge(x, x)
        cases.append(d.case(f"{shapes(('x', x))}, p = {p}, mode {mode!r}", "forward", call, judge))
    return cases


def dropout_backward(d: Drawing) -> list[Case]:
    """dx is dout times the mask that the submission drew, in training, and dout in test mode."""
    cases = []
    for i in range(d.count):
        x = d.normal(d.size(5, 9), d.size(6, 9)) + 4
        p, mode = [0.25, 0.7, 0.4, 0.6][i % 4], "test" if i % 4 == 1 else "train"
        dout = d.normal(*x.shape)
        call = {"file": d.path("layers"), "forward": "dropout_forward", "name": "dropout_backward", "dout": dout}
        call |= {"args": [x, {"mode": mode, "p": p}], "arguments": ["x", "dropout_param"], "gradients": ["dx"]}
        judge = compare_all if mode == "test" else MaskJudge(x, dout)
        cases.append(d.case(f"p = {p}, mode {mode!r}", "backward", {**call, "keep_out": mode == "train"}, judge))
    return cases


@dataclass(frozen=True)
class MaskJudge:
    """out must be x times 0 or the scale that ours has, kept as often as ours does; dx must be dout times the same."""

    x: np.ndarray
    y: np.ndarray

    def __call__(self, expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
        """What is wrong with out, and with dx where there is one."""
        shape = compare("out", expected["out"], got.get("out"), np.inf)
        if shape:
            return shape
        ours, theirs = expected["out"] / self.x, np.asarray(got["out"]) / self.x
        scale, kept = float(ours.max()), abs(theirs) > 1e-12
        found = []
        if kept.any() and compare("out", np.full(int(kept.sum()), scale), theirs[kept], tolerance):
            found.append(Finding("out", f"must be x times 0 or {scale:.6g}, is x times {theirs[kept].mean():.6g}"))
        share, wanted = float(kept.mean()), float((ours > 0).mean())
        if abs(share - wanted) > 8 * np.sqrt(0.25 / self.x.size):
            found.append(Finding("out", f"must keep about {wanted:.0%} of the entries, keeps {share:.0%}"))
        if "dx" in expected:
            found += compare("dx", self.y * theirs, got.get("dx"), tolerance)
        elif compare("out", got["out"], got.get("out of call 2"), 1e-12):
            found.append(Finding("out", "must be the same again for the same seed"))
        return found + changed(got)


ITEMS: dict[str, Item] = {name: item for pair in PAIRS for name, item in pair.items().items()}
ITEMS |= {
    "softmax_loss": loss_item("softmax_loss"),
    "svm_loss": replace(loss_item("svm_loss"), applies=lambda edition: edition.course != "eecs598"),
    "binary svm_loss": replace(binary_loss_item("svm_loss"), applies=lambda edition: edition.course == "eecs598"),
    "logistic_loss": binary_loss_item("logistic_loss"),
    "dropout_forward": Item("layers", ("dropout_forward",), dropout_forward),
    "dropout_backward": Item("layers", ("dropout_forward", "dropout_backward"), dropout_backward, ("dropout_forward",)),
}
