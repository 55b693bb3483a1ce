"""Cases of models: how they draw their parameters, then scores, loss and gradients for parameters given to them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.courses.course import Edition
from chainrule.grade.cases.case import Case, Drawing, Item
from chainrule.grade.judge import Finding, compare, compare_all, only
from chainrule.grade.judge import changed as changed_inputs

Options = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A model to be built: its arguments, the shape of one input, and the number of classes (0 for two, as 0 and 1)."""

    options: Options
    inputs: tuple[int, ...]
    classes: int
    positional: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Model:
    """A model of a course.

    small: draws one for arithmetic. large: draws one with weights enough to see how they are spread.
    extra: options of every case. regularised: whether it has `reg`. either_half: whether reg ‖W‖² without the ½ does
    as well, where the course leaves that open.
    """

    stem: str
    name: str
    small: Callable[[Drawing], Shape]
    large: Callable[[Drawing], Shape]
    extra: Options
    needs: tuple[str, ...]
    regularised: bool = True
    either_half: bool = False

    def item(self) -> Item:
        """The model as something to give points for."""
        return Item(self.stem, (self.name,), self.cases, self.needs, self.applies)

    def applies(self, edition: Edition) -> bool:
        """Whether the edition's model takes the options of these cases."""
        taken = inspect.signature(getattr(getattr(edition, self.stem), self.name)).parameters
        wanted = {**self.large(Drawing(edition, np.random.default_rng(0), 1)).options, **self.extra, **self.switch}
        return all(option in taken for option in wanted)

    @property
    def switch(self) -> Options:
        """An option of some cases beyond `extra`."""
        return {}

    def cases(self, d: Drawing) -> list[Case]:
        """Five at least, whatever the rubric's number: each looks at something else."""
        return [self._drawn(d), *self._computed(d)]

    def _drawn(self, d: Drawing) -> Case:
        shape, scale = self.large(d), 0.05
        call = self._call(d, shape) | {"seed": d.size(0, 9999)}
        call["options"] = {**call["options"], "weight_scale": scale}
        return d.case("parameters as drawn", "draw", call, SpreadJudge(scale))

    def _computed(self, d: Drawing) -> list[Case]:
        cases = []
        for i in range(max(1, d.count // 4)):
            shape = self.small(d)
            call = self._filled(d, shape, 1 if i % 2 else d.size(3, 5))
            scores = ("scores", ["scores"], 0.0, only("scores"))
            if self._has_running_statistics:
                scores = ("scores after a training step", ["loss", "scores"], 0.0, only("scores"))
            looks: list[tuple[str, list[str], float, Any]] = [
                scores,
                ("loss", ["loss"], 0.0, only("loss")),
                ("gradients", ["loss"], 0.0, only("gradients")),
            ]
            if self.regularised:
                looks.append(("loss with reg", ["loss"], 0.7, only("loss")))
                looks.append(("gradients with reg", ["loss"], 0.7, only("gradients")))
            for label, order, reg, judge in looks:
                one = dict(call, order=order)
                if self.regularised:
                    one["options"] = {**call["options"], "reg": reg}
                wrapped = judge
                if reg and self.either_half:
                    double = {**one, "options": {**one["options"], "reg": 2 * reg}}
                    wrapped = EitherJudge(judge, d.expected("model", double))
                if not self.regularised and "loss" in order:
                    wrapped = OwnPenaltyJudge(judge, call["params"])
                cases.append(d.case(f"{label}, inputs {tuple(one['X'].shape)}", "model", one, wrapped))
        return cases

    @property
    def _has_running_statistics(self) -> bool:
        batch = self.extra.get("normalization") == "batchnorm" or self.extra.get("use_batchnorm", False)
        return bool(batch)

    def _call(self, d: Drawing, shape: Shape) -> dict[str, Any]:
        options = {**shape.options, **self.extra}
        return {"file": d.path(self.stem), "name": self.name, "positional": list(shape.positional), "options": options}

    def _filled(self, d: Drawing, shape: Shape, rows: int) -> dict[str, Any]:
        """A call with parameters, inputs and labels drawn; parameters of a size that lets every layer matter."""
        call = self._call(d, shape)
        shapes = d.expected("draw", call)["shapes"]
        params = {}
        for name, size in shapes.items():
            fan_in = math.prod(size[1:]) if len(size) == 4 else size[0]
            params[name] = d.normal(*size) / math.sqrt(fan_in) if len(size) > 1 else d.normal(*size) * 0.3
            params[name] += 1.0 if name.startswith("gamma") else 0.0
        X = d.normal(rows, *shape.inputs)
        y = d.rng.integers(0, shape.classes if shape.classes else 2, rows)
        return call | {"params": params, "X": X, "y": y}


@dataclass(frozen=True)
class DropoutModel(Model):
    """A model with dropout: which units fall out is its own choice, so its gradients are held against its own loss."""

    keyword: str = "dropout"

    @property
    def switch(self) -> Options:
        """Dropout's own."""
        return {self.keyword: 0.5}

    def _computed(self, d: Drawing) -> list[Case]:
        cases = []
        for i in range(max(2, d.count // 2)):
            shape = self.small(d)
            p = [0.6, 0.4][i % 2]
            seeded = replace(shape, options={**shape.options, self.keyword: p, "seed": 11 + i})
            call = self._filled(d, seeded, d.size(3, 5))
            call |= {"h": 1e-5, "direction": {name: d.normal(*value.shape) for name, value in call["params"].items()}}
            plain = d.expected("slope", {**call, "options": {**shape.options, **self.extra}})
            cases.append(d.case(f"{self.keyword} = {p}, seed given", "slope", call, SlopeJudge(call, plain["loss"])))
        return cases


# -- judges --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpreadJudge:
    """Names and shapes of parameters; weights of standard deviation `scale` around 0, biases 0, gammas 1."""

    scale: float

    def __call__(self, expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
        """Names, shapes and numbers that are not as they must be."""
        shapes, means, spreads = (got.get(key) for key in ("shapes", "means", "spreads"))
        if not (isinstance(shapes, Mapping) and isinstance(means, Mapping) and isinstance(spreads, Mapping)):
            return [Finding("params", "must be a dictionary of arrays")]
        found = []
        if extra := sorted(set(shapes) - set(expected["shapes"])):
            found.append(Finding("params", f"has entries that the course does not name: {', '.join(extra[:5])}"))
        for name, size in expected["shapes"].items():
            label = f"params[{name!r}]"
            if name not in shapes:
                found.append(Finding(label, "is missing"))
            elif shapes[name] != size:
                found.append(Finding(label, f"must have shape {tuple(size)}, has {shapes[name]}"))
            elif len(size) > 1:
                count = math.prod(size)
                near = compare(label, self.scale, spreads.get(name), 6 / math.sqrt(2 * count))
                if near or compare(label, 1.0, 1 + means[name] / self.scale, 6 / math.sqrt(count)):
                    words = f"must be drawn with standard deviation {self.scale:g} around 0"
                    found.append(Finding(label, words))
            else:
                one = 1.0 if name.startswith("gamma") else 0.0
                if abs(means[name] - one) > 1e-6 or spreads.get(name, 1.0) > 1e-6:
                    found.append(Finding(label, f"must start as {one:g}"))
        return found


@dataclass(frozen=True)
class EitherJudge:
    """Right against one of two expectations."""

    judge: Any
    other: Mapping[str, Any]

    def __call__(self, expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
        """What is wrong by the first, unless the second finds nothing."""
        found: list[Finding] = self.judge(expected, got, tolerance)
        return found if found and self.judge(self.other, got, tolerance) else []


@dataclass(frozen=True)
class OwnPenaltyJudge:
    """Right without regularisation, or with ½ λ ‖W‖² for a λ of the submission's own, which its loss tells."""

    judge: Any
    params: Mapping[str, np.ndarray]

    def __call__(self, expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
        """What is wrong, a penalty of one's own allowed."""
        found: list[Finding] = self.judge(expected, got, tolerance)
        loss = got.get("loss")
        if not found or compare("loss", expected["loss"], loss, np.inf):
            return found
        weights = {name: value for name, value in self.params.items() if value.ndim > 1}
        squares = sum(float(np.sum(value * value)) for value in weights.values())
        rate = 2 * (float(np.asarray(loss).reshape(())) - float(expected["loss"])) / squares
        if not 0 < rate < 1:
            return found
        gradients = {
            name: value + rate * weights[name] if name in weights else value
            for name, value in expected["gradients"].items()
        }
        return found if compare_all({"gradients": gradients}, got, tolerance) else []  # the loss is theirs


@dataclass(frozen=True)
class SlopeJudge:
    """Gradients against the model's own loss on either side; scores in test mode against ours; dropout at work."""

    call: Mapping[str, Any]
    without: float

    def __call__(self, expected: Mapping[str, Any], got: Mapping[str, Any], tolerance: float) -> list[Finding]:
        """What is wrong with scores, gradients, or dropout itself."""
        found = compare("scores", expected["scores"], got.get("scores"), tolerance)
        shown = {key: np.zeros_like(value) for key, value in expected["gradients"].items()}
        gradients = got.get("gradients")
        for name in ("loss", "above", "below"):
            found += compare(name, expected[name], got.get(name), np.inf)
        if not isinstance(gradients, Mapping):
            return [*found, Finding("gradients", "must be a dictionary")]
        for name in shown:
            found += compare(f"gradients[{name!r}]", expected["gradients"][name], gradients.get(name), np.inf)
        if found:
            return found
        analytic = sum(float(np.sum(np.asarray(gradients[k]) * v)) for k, v in self.call["direction"].items())
        above, below, loss = (float(np.asarray(got[name]).reshape(())) for name in ("above", "below", "loss"))
        numeric = (above - below) / (2 * self.call["h"])
        if compare("slope", numeric, analytic, 1e-4):
            words = f"do not belong to the loss: along one direction it grows by {numeric:.6g}, they say {analytic:.6g}"
            found.append(Finding("gradients", words))
        if abs(loss - self.without) < 1e-9:
            found.append(Finding("loss", "is the one without dropout"))
        return found + changed_inputs(got)


# -- the models of the courses ---------------------------------------------------------------------------------------


def two_layer(d: Drawing) -> Shape:
    """Small."""
    return _two_layer(d.size(4, 7), d.size(3, 6), d.size(3, 5))


def _two_layer(inputs: int, hidden: int, classes: int) -> Shape:
    return Shape({"input_dim": inputs, "hidden_dim": hidden, "num_classes": classes}, (inputs,), classes)


def deep(d: Drawing) -> Shape:
    """Two or three hidden layers, inputs of several axes."""
    inputs, classes = (d.size(2, 3), d.size(2, 3)), d.size(3, 5)
    hidden = [d.size(3, 6) for _ in range(d.size(2, 3))]
    return Shape(_deep(math.prod(inputs), hidden, classes), inputs, classes)


def _deep(inputs: int, hidden: list[int], classes: int) -> Options:
    return {"hidden_dims": hidden, "input_dim": inputs, "num_classes": classes, "dtype": "float64"}


def convnet(d: Drawing) -> Shape:
    """Odd numbers of channels, filters of 3 × 3."""
    inputs, classes = (d.size(1, 3), 2 * d.size(2, 3), 2 * d.size(2, 3)), d.size(3, 4)
    return _convnet(inputs, d.size(2, 3), 3, d.size(3, 6), classes)


def valid_convnet(d: Drawing) -> Shape:
    """The same where convolution is valid: an even size must be left for pooling."""
    inputs, classes = (d.size(1, 2), 2 + 2 * d.size(2, 3), 2 + 2 * d.size(2, 3)), d.size(3, 4)
    return _convnet(inputs, d.size(2, 3), 3, d.size(3, 6), classes)


def _convnet(inputs: tuple[int, int, int], filters: int, size: int, hidden: int, classes: int) -> Shape:
    options = {"input_dim": list(inputs), "num_filters": filters, "filter_size": size, "hidden_dim": hidden}
    return Shape({**options, "num_classes": classes, "dtype": "float64"}, inputs, classes)


def binary(d: Drawing) -> Shape:
    """Without a hidden layer, or with one."""
    inputs = d.size(4, 8)
    hidden = None if d.size(0, 1) else d.size(3, 5)
    return Shape({"input_dim": inputs, "hidden_dim": hidden}, (inputs,), 0)


def softmax(d: Drawing) -> Shape:
    """Without a hidden layer, or with one."""
    shape = _two_layer(d.size(4, 8), d.size(3, 5), d.size(3, 5))
    return shape if d.size(0, 1) else replace(shape, options={**shape.options, "hidden_dim": None})


def berkeley(d: Drawing) -> Shape:
    """Sizes as CS 189 passes them: the inputs first."""
    inputs, classes = d.size(4, 7), d.size(3, 5)
    return Shape({"hidden_dim": [d.size(3, 6), d.size(3, 6)], "num_classes": classes}, (inputs,), classes, (inputs,))


_AFFINE = ("affine_forward", "affine_backward", "relu_forward", "relu_backward", "softmax_loss")
_CONV = tuple(f"{name}_{way}_naive" for name in ("conv", "max_pool") for way in ("forward", "backward"))
_BATCH = ("batchnorm_forward", "batchnorm_backward")
_LAYER = ("layernorm_forward", "layernorm_backward")
_DROPOUT = ("dropout_forward", "dropout_backward")
_FC = ("fc_forward", "fc_backward", "relu_forward", "relu_backward")


def _wide(d: Drawing) -> Shape:
    return _two_layer(40, 30, 10)


def _wide_deep(d: Drawing) -> Shape:
    return Shape(_deep(40, [30, 20], 10), (40,), 10)


def _wide_convnet(d: Drawing) -> Shape:
    return _convnet((3, 8, 8), 8, 5, 20, 10)


def _wide_binary(d: Drawing) -> Shape:
    return Shape({"input_dim": 40, "hidden_dim": 30}, (40,), 0)


def _wide_berkeley(d: Drawing) -> Shape:
    return Shape({"hidden_dim": [30, 20], "num_classes": 10}, (40,), 10, (40,))


def _deep_net(kind: type[Model], needs: tuple[str, ...], extra: Options, **more: Any) -> Item:
    return kind("fc_net", "FullyConnectedNet", deep, _wide_deep, extra, (*_AFFINE, *needs), **more).item()


ITEMS: dict[str, Item] = {
    "TwoLayerNet": Model("fc_net", "TwoLayerNet", two_layer, _wide, {}, _AFFINE).item(),
    "FullyConnectedNet": _deep_net(Model, (), {}),
    "FullyConnectedNet with use_batchnorm": _deep_net(Model, _BATCH, {"use_batchnorm": True}),
    "FullyConnectedNet with batchnorm": _deep_net(Model, _BATCH, {"normalization": "batchnorm"}),
    "FullyConnectedNet with layernorm": _deep_net(Model, _LAYER, {"normalization": "layernorm"}),
    "FullyConnectedNet with dropout": _deep_net(DropoutModel, _DROPOUT, {}),
    "FullyConnectedNet with dropout_keep_ratio": _deep_net(DropoutModel, _DROPOUT, {}, keyword="dropout_keep_ratio"),
    "ThreeLayerConvNet": Model("cnn", "ThreeLayerConvNet", convnet, _wide_convnet, {}, (*_AFFINE, *_CONV)).item(),
    "ConvNet": Model(
        "cnn", "ConvNet", valid_convnet, _wide_convnet, {}, (*_FC, "conv_forward", "conv_backward", "softmax_loss")
    ).item(),
    "SoftmaxClassifier": Model("softmax", "SoftmaxClassifier", softmax, _wide, {}, (*_FC, "softmax_loss")).item(),
    "LogisticClassifier": Model(
        "logistic", "LogisticClassifier", binary, _wide_binary, {}, (*_FC, "logistic_loss"), either_half=True
    ).item(),
    "SVM": Model("svm", "SVM", binary, _wide_binary, {}, (*_FC, "binary svm_loss"), either_half=True).item(),
    "FullyConnectedNet of CS 189": Model(
        "fc_net", "FullyConnectedNet", berkeley, _wide_berkeley, {}, _AFFINE, regularised=False
    ).item(),
}
