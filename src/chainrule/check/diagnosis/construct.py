"""Building a user's object: small sizes for the constructor arguments whose names are known."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.check.diagnosis.arguments import Prepared
from chainrule.check.diagnosis.kinds import KINDS
from chainrule.check.diagnosis.kinds.cases import Labels, draw
from chainrule.check.diagnosis.kinds.kind import Kind
from chainrule.check.diagnosis.naming import base_name, parameters_of
from chainrule.check.diagnosis.objects import LayerSubject, Model, ObjectPair, is_real
from chainrule.check.diagnosis.user_code import UserCodeError, call, fresh
from chainrule.check.layer import draw_params
from chainrule.errors import ConfigError
from chainrule.layers import Layer

#: Constructor arguments by pattern; the first that matches.
SIZES: tuple[tuple[str, Any], ...] = (
    (r"^(in|input|n_in|d_in|din|fan_in|in_?(features|dim|size)|input_?(dim|size)|n_inputs?|d|num_inputs?)$", 3),
    (r"^(hidden_?dims?|hidden_?sizes?|n_hidden|hidden|h)$", 5),
    (r"^(out|output|n_out|d_out|dout|fan_out|out_?(features|dim|size)|output_?(dim|size)|units|n_outputs?|m)$", 4),
    (r"^(num_?classes|n_?classes|classes|c)$", 4),
    (r"^(dim|dims|num_features|n_features|features|size|normalized_shape)$", 3),
    (r"^(in_?channels)$", 2),
    (r"^(out_?channels|num_?filters|filters|n_filters)$", 3),
    (r"^(filter_?size|kernel_?size|k|f|ksize)$", 3),
    (r"^(stride)$", 1),
    (r"^(pad|padding)$", 1),
    (r"^(reg|lam|lambda_|weight_decay|weight_decay_lambda)$", 0.3),
    (r"^(weight_?scale|weight_init_std|std)$", 0.3),
    (r"^(p|prob|rate|dropout_ratio|drop_prob|keep_prob)$", 0.4),
    (r"^(alpha|slope|negative_slope)$", 0.1),
    (r"^(dtype)$", np.float64),
)
ARRAYS = {"w": (3, 4), "weight": (3, 4), "weights": (3, 4), "b": (4,), "bias": (4,), "gamma": (3,), "beta": (3,)}


def construct(cls: type, name: str, stated: Mapping[str, Any], seed: int) -> Any:
    """An instance of `cls`; raises `ConfigError` for a required argument whose meaning is not known."""
    rng = np.random.default_rng([seed, 7])
    arguments: dict[str, Any] = {}
    for p in parameters_of(cls):
        if p.name in stated:
            arguments[p.name] = fresh(stated[p.name])
            continue
        size = next((v for pattern, v in SIZES if re.match(pattern, p.name.lower())), None)
        optional = p.default is not p.empty
        if optional and not (
            size is not None
            and re.match(r"input_?dim|hidden|num_?(classes|filters)|reg|weight|filter|dtype", p.name.lower())
        ):
            continue
        if size is not None:
            arguments[p.name] = _like(size, p)
        elif p.name.lower() in ARRAYS:
            arguments[p.name] = draw(ARRAYS[p.name.lower()], p.name.lower(), rng)
        elif not optional:
            raise ConfigError(
                f"gradcheck: {name} needs {p.name} to be made; state it with --value {p.name}=... (in Python: values=)"
            )
    return call("forward", cls, **arguments)


def _like(size: Any, p: Any) -> Any:
    """The size in the form of the default: a list for hidden layers, (C, H, W) for the input of a convolution."""
    if isinstance(p.default, (list, tuple)) and len(p.default) == 3 and "input" in p.name:
        return (2, 6, 6)
    if isinstance(p.default, list) or p.name.lower() == "hidden_dims":
        return [size, size + 1]
    return size


def prepare_layer(layer: Layer, stated: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], seed: int) -> Prepared:
    """A layer of this package on the shape of an example, or the one given for x."""
    from chainrule.check.layer import _example_shape

    shape = tuple(shapes["x"]) if "x" in shapes else np.shape(stated["x"]) if "x" in stated else _example_shape(layer)
    kind = _kind_of(type(layer).__name__, loss=False)
    cases = []
    for i in range(2):
        rng = np.random.default_rng([seed, i])
        values = {"x": draw(shape, "x", rng), **draw_params(layer, shape, rng), **stated}
        cases.append(values)
    train = True
    return Prepared(
        LayerSubject(layer, cases[0], train=train), kind, {n: {"W": "w"}.get(n, n) for n in cases[0]}, cases
    )


def _copied(owner: Any) -> Any:
    """A copy to try values on, so that the caller's object keeps its parameters; itself where it cannot be copied."""
    try:
        return copy.deepcopy(owner)
    except Exception:  # locks, files, generators ...
        return owner


def prepare_object(
    owner: Any, name: str, stated: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], seed: int
) -> Prepared:
    """An object, or a class to make one of, with forward and backward."""
    if isinstance(owner, type):
        owner = construct(owner, name, stated, seed)
    owner = _copied(owner)
    inputs = [p.name for p in parameters_of(owner.forward) if p.default is p.empty]
    if not inputs:
        raise ConfigError(f"gradcheck: {name}.forward takes no argument to differentiate")
    given = {n: v for n, v in stated.items() if n in inputs}
    loss = len(inputs) > 1
    kind = _kind_of(name, loss=loss) or _kind_of(name, loss=False)
    error: Exception | None = None
    for case in _input_cases(inputs, kind, owner):
        rng = np.random.default_rng([seed, 0])
        values = {n: draw(shapes.get(n, case[n]), n, rng) for n in inputs if n in case}
        values |= given | {n: draw(tuple(s), n, rng) for n, s in shapes.items() if n in inputs}
        if not set(inputs) <= set(values):
            continue
        try:
            subject = ObjectPair(name, owner, values)
            cases = []
            for i in range(2):
                rng = np.random.default_rng([seed, i])
                drawn = {n: draw(v.shape, _param_role(n), rng) for n, v in subject.initial().items()}
                again = {
                    n: draw(shapes.get(n, case.get(n, ())), n, rng) if n not in given else v for n, v in values.items()
                }
                cases.append({**again, **drawn})
                subject.output(cases[-1])
        except (UserCodeError, StopIteration) as found:
            error = found if error is None else error
            continue
        roles = {n: _param_role(n) for n in subject.arguments} | {inputs[0]: "x"}
        if loss and len(inputs) > 1:
            roles[inputs[1]] = "y"
        return Prepared(subject, kind, roles, cases)
    if isinstance(error, UserCodeError):
        raise error
    raise ConfigError(f"gradcheck: no input for {name}.forward({', '.join(inputs)}) was found; state it with --shape")


def _param_role(name: str) -> str:
    lowered = name.lower().strip("_")
    return {"weight": "w", "weights": "w", "bias": "b", "biases": "b", "w": "w", "b": "b"}.get(lowered, lowered)


def _input_cases(inputs: Sequence[str], kind: Kind | None, owner: Any) -> list[dict[str, Any]]:
    """Shapes for the inputs: those of the kind, and then whatever fits the object's own arrays."""
    shapes: list[tuple[int, ...]] = []
    if kind is not None:
        shapes += [layout[0]["x"] for layout in kind.layouts if isinstance(layout[0].get("x"), tuple)]
    for value in getattr(owner, "__dict__", {}).values():
        for array in value.values() if isinstance(value, dict) else (value,):
            if is_real(array):
                shapes += [(5, n) for n in array.shape]
                if array.ndim == 4:
                    shapes.append((3, array.shape[1], 4, 5))
    shapes += [(5, 3), (5, 4), (3, 2, 4, 6), (3, 4, 5), (5,)]
    cases: list[dict[str, Any]] = []
    for shape in dict.fromkeys(shapes):
        if len(inputs) == 1:
            cases.append({inputs[0]: shape})
        elif len(inputs) == 2 and len(shape) >= 1:
            classes = shape[-1] if len(shape) > 1 else 2
            for y in (Labels(shape[:1], classes), shape):
                cases.append({inputs[0]: shape, inputs[1]: y})
    return cases


def _kind_of(name: str, *, loss: bool) -> Kind | None:
    lowered = base_name(name).lower()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", base_name(name)).lower()
    return next(
        (
            k
            for k in KINDS
            if k.loss == loss
            and "classifier" not in k.name
            and (re.search(k.pattern, lowered) or re.search(k.pattern, words))
        ),
        None,
    )


def prepare_model(
    model: Any, name: str, stated: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], seed: int
) -> Prepared:
    """A model, or a class to make one of, with `params` and `loss(X, y)`."""
    if isinstance(model, type):
        model = construct(model, name, stated, seed)
    model = _copied(model)
    if not isinstance(getattr(model, "params", None), dict) or not model.params:
        raise ConfigError(f"gradcheck: {name} has no dictionary params of arrays")
    inputs = [p.name for p in parameters_of(model.loss)][:2]
    if len(inputs) < 2:
        raise ConfigError(f"gradcheck: {name}.loss must take (X, y)")
    error: UserCodeError | None = None
    for shape, y in _model_inputs(model):
        cases = []
        try:
            for i in range(2):
                rng = np.random.default_rng([seed, i])
                n = shape[0] + 2 * i
                x = draw(tuple(shapes.get(inputs[0], (n, *shape[1:]))), "x", rng)
                labels = Labels((len(x),), y).draw(rng)
                values = {inputs[0]: x, inputs[1]: labels, **{k: v for k, v in stated.items() if k in inputs}}
                for key in sorted(model.params):
                    values[key] = draw(np.shape(model.params[key]), _param_role(key.rstrip("0123456789")), rng)
                if isinstance(getattr(model, "reg", None), (int, float)):
                    values["reg"] = stated.get("reg", 0.3 if model.reg == 0 else model.reg)
                subject = Model(name, model, {k: values[k] for k in inputs})
                subject.output(values)
                cases.append(values)
        except UserCodeError as found:
            error = found if error is None else error
            continue
        roles = {n: _param_role(n.rstrip("0123456789")) for n in subject.arguments}
        return Prepared(subject, None, roles, cases)
    if error is not None:
        raise error
    raise ConfigError(f"gradcheck: no input for {name}.loss was found; state it with --shape X=...")


def _model_inputs(model: Any) -> list[tuple[tuple[int, ...], int]]:
    """(shape of X, number of classes) that may fit."""
    weights = [np.shape(v) for v in model.params.values() if np.ndim(v) >= 2]
    classes = [np.shape(v)[-1] for v in model.params.values() if np.ndim(v) >= 1]
    last = max(2, classes[-1]) if classes else 2
    found: list[tuple[tuple[int, ...], int]] = []
    for w in weights[:1]:
        if len(w) == 4:
            found += [((3, w[1], side, side), last) for side in (6, 8, 10)]
            found += [((3, 2, 6, 6), last)]
        else:
            found += [((5, w[0]), last), ((5, w[1]), last)]
    found += [((5, 3), last), ((3, 2, 6, 6), last)]
    if found and len(classes):
        found += [(shape, 2) for shape, _ in found]
    return found
