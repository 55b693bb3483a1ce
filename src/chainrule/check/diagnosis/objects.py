"""Subjects that are objects: chainrule layers, classes with forward and backward, models with loss and params."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.arrays import Array
from chainrule.check.diagnosis.naming import owner_of, parameters_of, returned_names
from chainrule.check.diagnosis.subject import Run, Subject, Values, as_output, assign
from chainrule.check.diagnosis.user_code import SEED, Repeatable, call, fresh
from chainrule.check.snapshots import changed, snapshot
from chainrule.errors import ConfigError, describe
from chainrule.layers import Layer


class LayerSubject(Subject):
    """A layer of this package, or a subclass of `Layer`."""

    def __init__(self, layer: Layer, values: Mapping[str, Array], *, train: bool = True) -> None:
        self.layer, self.train, self.name = layer, train, layer.name
        self.arguments = tuple(values)
        shape = values["x"].shape
        self.wanted = ("x", *layer.param_shapes(shape))
        self.functions = (layer.forward, layer.backward)

    def _forward(self, values: Values) -> Any:
        params = {n: v for n, v in values.items() if n != "x"}
        return call("forward", self.layer.forward, values["x"], params, train=self.train, key=SEED)

    def output(self, values: Values) -> Array:
        """The layer's output."""
        return as_output(self.name, self._forward(fresh(dict(values)))[0])

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """The layer's gradients by name."""
        _, cache = self._forward(fresh(dict(values)))
        if between is not None:
            self._forward(fresh(dict(between)))
        cotangent = dout.copy()
        before = snapshot((cotangent, cache))
        found = call("backward", self.layer.backward, cotangent, cache)
        if not isinstance(found, Mapping):
            return assign(found, self.wanted, [])
        altered = [changed(before[0], cotangent, "dout"), changed(before[1], cache, "cache")]
        return Run(
            {name: found.get(name) for name in self.wanted},
            [a for a in altered if a is not None],
            surplus=len(set(found) - set(self.wanted)),
            by_name=True,
        )

    def forward_changes(self, values: Values) -> str | None:
        """Compare the input and the parameters before and after."""
        given = fresh(dict(values))
        before = snapshot(given)
        self._forward(given)
        return next((p for p in (changed(before[n], given[n], n) for n in given) if p is not None), None)


class ObjectPair(Subject):
    """An object with `forward(x)` and `backward(dout)`, whose parameters and their gradients are its attributes.

    Parameters are the floating-point arrays among its attributes, or in a dictionary `params`, that have a gradient
    after a pass: `dW`, `grad_W`, `W_grad`, `grads["W"]`.
    """

    keeps_state = True

    def __init__(self, name: str, owner: Any, inputs: Mapping[str, Any]) -> None:
        self.name, self.owner = name, owner
        self.inputs = tuple(inputs)
        self.functions = (owner.forward, owner.backward)
        self.repeat = Repeatable(owner.forward, owner.backward)
        self.returned = returned_names(owner.backward)
        first = next(n for n, v in inputs.items() if is_real(v))
        self.input = first
        self.params = self._find_params(inputs)
        self.arguments = (*inputs, *self.params)
        floats = [n for n, v in inputs.items() if is_real(v)]
        self.wanted = (*floats[:1], *self.params)

    def initial(self) -> dict[str, Array]:
        """The parameters as they are."""
        return {name: np.array(self._holder(name)[1][self._holder(name)[0]]) for name in self.params}

    def _attributes(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """argument -> (key, the dictionary that holds it)."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        own = getattr(self.owner, "__dict__", {})
        held = own.get("params")
        if isinstance(held, dict):
            found.update({str(k): (k, held) for k, v in held.items() if is_real(v)})
        found.update({k: (k, own) for k, v in own.items() if is_real(v)})
        return found

    def _holder(self, name: str) -> tuple[str, dict[str, Any]]:
        return self._attributes()[name]

    def _find_params(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        before = [n for n in self._attributes() if n not in inputs]
        out = np.asarray(self._forward(fresh(dict(inputs))))
        self._backward(np.ones(out.shape))
        return tuple(n for n in before if self._gradient_of(n, before) is not None)

    def _gradient_of(self, name: str, params: Any) -> Any:
        own = getattr(self.owner, "__dict__", {})
        for holder in (own.get("grads"), own.get("gradients"), own):
            if isinstance(holder, Mapping):
                for key, value in holder.items():
                    if key in params and holder is own:
                        continue
                    if isinstance(value, (np.ndarray, np.floating)) and owner_of(str(key), params) == name:
                        return value
        return None

    def _set(self, values: Mapping[str, Any]) -> None:
        for name in self.params if hasattr(self, "params") else ():
            if name in values:
                key, holder = self._holder(name)
                holder[key] = values[name]

    def _forward(self, values: Mapping[str, Any]) -> Any:
        self._set(values)
        self.repeat()
        result = call("forward", self.owner.forward, *(values[n] for n in self.inputs))
        return result[0] if isinstance(result, tuple) else result

    def _backward(self, dout: Array) -> Any:
        takes = parameters_of(self.owner.backward)
        self.repeat()
        return call("backward", self.owner.backward, *([dout] if takes else []))

    def output(self, values: Values) -> Array:
        """What forward returns."""
        return as_output(self.name, self._forward(fresh(dict(values))))

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """Backward after forward, and the gradients left in the attributes."""
        if between is not None:
            self._forward(fresh(dict(between)))
        self._forward(fresh(dict(values)))
        cotangent = dout.copy()
        result = self._backward(cotangent)
        if isinstance(result, (tuple, list)) and len(result) > 1:
            return assign(result, self.wanted, self.returned)
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        found = {self.input: first, **{n: self._gradient_of(n, self.params) for n in self.params}}
        return Run(found, [] if np.array_equal(cotangent, dout) else ["dout"], by_name=True)

    def forward_changes(self, values: Values) -> str | None:
        """Compare the inputs before and after."""
        given = fresh(dict(values))
        before = snapshot(given)
        self._forward(given)
        return next((p for p in (changed(before[n], given[n], n) for n in self.inputs) if p is not None), None)


class Model(Subject):
    """An object with a dictionary `params` and `loss(X, y) -> loss, grads`."""

    takes_dout = False

    def __init__(self, name: str, model: Any, inputs: Mapping[str, Any]) -> None:
        self.name, self.model, self.inputs = name, model, tuple(inputs)
        self.params = tuple(model.params)
        self.arguments, self.wanted = (*inputs, *self.params), self.params
        self.functions = (model.loss,)
        self.repeat = Repeatable(model.loss)

    def _call(self, values: Values) -> Any:
        for name in self.params:
            self.model.params[name] = values[name]
        if "reg" in values and hasattr(self.model, "reg"):
            self.model.reg = values["reg"]
        self.repeat()
        result = call("forward", self.model.loss, *(values[n] for n in self.inputs))
        if not isinstance(result, tuple) or len(result) != 2:
            raise ConfigError(f"gradcheck: {self.name}.loss(X, y) must return (loss, grads), got {describe(result)}")
        return result

    def output(self, values: Values) -> Array:
        """The loss."""
        return as_output(self.name, self._call(fresh(dict(values)))[0])

    def run(self, values: Values, dout: Array, between: Values | None = None) -> Run:
        """The gradients by name."""
        _, grads = self._call(fresh(dict(values)))
        if between is not None:
            self._call(fresh(dict(between)))
        return assign(fresh(dict(grads)) if isinstance(grads, Mapping) else grads, self.wanted, [])

    def forward_changes(self, values: Values) -> str | None:
        """Compare the inputs and the parameters before and after."""
        given = fresh(dict(values))
        before = snapshot(given)
        self._call(given)
        return next((p for p in (changed(before[n], given[n], n) for n in given) if p is not None), None)


def is_real(value: Any) -> bool:
    """Whether `value` is an array of floating-point numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0
