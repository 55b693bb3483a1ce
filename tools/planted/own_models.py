"""Planted faults of layers and models of one's own."""

from __future__ import annotations

from typing import Any

import chainrule as cr
from chainrule.lint import Report, lint
from planted.fault import Faults
from planted.sound import arrays, network, solver_for

FAULTS = Faults()


@FAULTS.plant("dropout active at test", "random-at-test")
def _() -> Report:
    class Always(cr.Dropout):
        calls = 0

        def forward(self, x: Any, params: Any, *, train: bool = False, key: int | None = None) -> Any:
            Always.calls += 1
            return cr.Dropout.forward(self, x, params, train=True, key=Always.calls if key is None else key)

    net = cr.Network([cr.Flatten(), cr.Affine(64), cr.ReLU(), Always(0.5), cr.Affine(10)], input_shape=(1, 8, 8))
    return lint(net, data=arrays())


@FAULTS.plant("batch statistics at test", "batch-dependent-at-test")
def _() -> Report:
    class Always(cr.BatchNorm):
        def forward(self, x: Any, params: Any, *, train: bool = False, key: int | None = None) -> Any:
            return cr.BatchNorm.forward(self, x, params, train=True, key=key)

    body = [cr.Flatten(), cr.Affine(64, bias=False), Always(), cr.ReLU(), cr.Affine(10)]
    return lint(cr.Network(body, input_shape=(1, 8, 8)), data=arrays())


@FAULTS.plant("softmax inside a model of one's own", "loss-floor")
def _() -> Report:
    class Double:
        def __init__(self) -> None:
            self.net = network()
            self.params = self.net.params

        def loss(self, X: Any, y: Any = None) -> Any:
            scores, cache = self.net.forward(self.net.as_input(X), train=True)
            out, softmax = cr.Softmax().forward(scores)
            if y is None:
                return out
            loss, dout = cr.SoftmaxCrossEntropy()(out, y)
            gradients = self.net.backward(cr.Softmax().backward(dout, softmax)["x"], cache)
            return float(loss), dict(gradients)

    solver = solver_for(arrays(), Double(), update_rule="adam", optim_config={"learning_rate": 5e-3}, num_epochs=30)
    solver.train()
    return lint(solver)
