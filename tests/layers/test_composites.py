"""Composites against their children called one by one: modes, keys, running statistics and names reach every child."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.arrays import Stream, derive_key
from chainrule.check.layer import draw_params
from chainrule.errors import ShapeError
from chainrule.layers import Affine, BatchNorm, Branches, Dropout, Flatten, ReLU, Residual, Sequential, Tanh
from chainrule.layers.sequential import Composite, parameter_names

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))
PATH = (Affine(4), BatchNorm(), Dropout(0.4), Tanh(), Dropout(0.4))
KEY = 12345


def child_key(key: int, i: int) -> int:
    return derive_key(key, Stream.FORWARD, layer=i)


def by_hand(layers, x, params, train, key):
    """The outputs and caches of layers in a row, each with its own key; params by layer."""
    outs = []
    for i, (layer, own) in enumerate(zip(layers, params, strict=True)):
        x, cache = layer.forward(x, own, train=train, key=child_key(key, i) if layer.uses_key else None)
        outs.append((x, cache))
    return outs


def own_params(layers, shape):
    result = []
    for layer in layers:
        result.append(draw_params(layer, shape, np.random.default_rng(len(result))))
        shape = layer.output_shape(shape)
    return result


def whole_params(layers, params):
    """The tensors of `layers` under their numbered names."""
    names = parameter_names(tuple(layers))
    return {names[i][n]: v for i, own in enumerate(params) for n, v in own.items()}


@pytest.mark.parametrize("train", [False, True])
def test_sequential_runs_its_layers_in_the_mode_and_with_keys_of_their_own(train):
    params = own_params(PATH, X.shape)
    whole = Sequential(PATH)
    out, cache = whole.forward(X, whole_params(PATH, params), train=train, key=KEY)
    outs = by_hand(PATH, X, params, train, KEY)
    assert (out == outs[-1][0]).all()
    listed = list(whole.outputs(X, whole_params(PATH, params), train=train, key=KEY))
    assert all((a == b[0]).all() for a, b in zip(listed, outs, strict=True))
    dout = RNG.normal(size=out.shape)
    grads, names = whole.backward(dout, cache), parameter_names(PATH)
    for i in reversed(range(len(PATH))):
        own = PATH[i].backward(dout, outs[i][1])
        dout = own.pop("x")
        for n, g in own.items():
            assert (grads.pop(names[i][n]) == g).all()
    assert (grads.pop("x") == dout).all()
    assert grads == {}
    if train:
        new = whole.update_buffers(whole_params(PATH, params), cache)
        expected = PATH[1].update_buffers(params[1], outs[1][1])
        assert {n: v.tolist() for n, v in new.items()} == {f"{n}1": v.tolist() for n, v in expected.items()}


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("kind", ["residual", "projected", "branches"])
def test_paths_side_by_side(kind, train):
    """Each path is a Sequential with the i-th key; outputs add or stand side by side, input gradients add."""
    other = (Affine(4), Dropout(0.4), BatchNorm())
    paths = (PATH,) if kind == "residual" else (PATH, other)
    layer = Branches(paths) if kind == "branches" else Residual(PATH, *paths[1:])
    assert layer.children == tuple(Sequential(p) for p in paths)
    assert layer.uses_key
    params = [draw_params(child, X.shape, np.random.default_rng(i)) for i, child in enumerate(layer.children)]
    whole = whole_params(layer.children, params)
    out, cache = layer.forward(X, whole, train=train, key=KEY)
    outs = by_hand_side_by_side(layer.children, params, train)
    added = sum(o for o, _ in outs) + (X if kind == "residual" else 0)
    expected = np.concatenate([o for o, _ in outs], axis=1) if kind == "branches" else added
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    dout = RNG.normal(size=out.shape)
    grads, dx = layer.backward(dout, cache), dout if kind == "residual" else 0
    for i, (child, names) in enumerate(zip(layer.children, parameter_names(layer.children), strict=True)):
        part = dout[:, 4 * i : 4 * i + 4] if kind == "branches" else dout
        own = child.backward(part, outs[i][1])
        dx = dx + own.pop("x")
        for n, g in own.items():
            np.testing.assert_allclose(grads[names[n]], g, rtol=1e-13)
    np.testing.assert_allclose(grads["x"], dx, rtol=1e-13, atol=1e-15)
    new = layer.update_buffers(whole, cache)
    assert set(new) == set(layer.buffers)
    for i, (child, names) in enumerate(zip(layer.children, parameter_names(layer.children), strict=True)):
        for n, value in child.update_buffers(params[i], outs[i][1]).items():
            assert (new[names[n]] == value).all()
            assert (value != params[i][n]).any() == train


def by_hand_side_by_side(children, params, train):
    return [
        child.forward(X, own, train=train, key=child_key(KEY, i))
        for i, (child, own) in enumerate(zip(children, params, strict=True))
    ]


def test_two_dropouts_of_one_rate_draw_different_masks():
    ones = np.ones((4, 200))
    two = Branches(((Dropout(0.5),), (Dropout(0.5),)))
    out, _ = two.forward(ones, {}, train=True, key=KEY)
    assert (out[:, :200] != out[:, 200:]).any()
    again, _ = two.forward(ones, {}, train=True, key=KEY)
    assert (out == again).all()


def test_parameter_gradients_are_those_of_backward():
    for layer in (Sequential(PATH), Residual(PATH), Branches((PATH, (Affine(2),)))):
        params = draw_params(layer, X.shape, np.random.default_rng(1))
        out, cache = layer.forward(X, params, train=True, key=KEY)
        dout = RNG.normal(size=out.shape)
        both, alone = layer.backward(dout, cache), layer.parameter_gradients(dout, cache)
        assert set(alone) == set(both) - {"x"} == set(layer.params)
        assert all((alone[n] == both[n]).all() for n in alone)


def test_a_composite_draws_and_has_kinks_where_a_child_does():
    for make in (lambda *c: Sequential(c), lambda *c: Residual(c), lambda *c: Branches((c, (Tanh(),)))):
        assert (make(Tanh()).uses_key, make(Tanh()).has_kinks) == (False, False)
        assert (make(Tanh(), Dropout(0.5)).uses_key, make(Tanh(), ReLU()).has_kinks) == (True, True)


def test_names_are_numbered_where_one_is_taken():
    """A normalisation shares the number of the weights before it; a layer without tensors takes none."""
    norm = BatchNorm()
    running = tuple(norm.buffers)
    assert parameter_names((ReLU(), Affine(3), norm, ReLU(), Affine(3), Affine(3, bias=False), norm)) == (
        {},
        {"W": "W1", "b": "b1"},
        {"gamma": "gamma1", "beta": "beta1", **{n: f"{n}1" for n in running}},
        {},
        {"W": "W2", "b": "b2"},
        {"W": "W3"},
        {"gamma": "gamma3", "beta": "beta3", **{n: f"{n}3" for n in running}},
    )
    inner = Sequential((Affine(3), Affine(3)))
    assert parameter_names((inner, Affine(3), inner)) == (
        {"W1": "W1.1", "b1": "b1.1", "W2": "W1.2", "b2": "b1.2"},
        {"W": "W2", "b": "b2"},
        {"W1": "W3.1", "b1": "b3.1", "W2": "W3.2", "b2": "b3.2"},
    )


def test_owner_and_split_follow_the_names():
    whole = Sequential((ReLU(), Affine(4), BatchNorm(), Affine(2)))
    assert [whole.owner(n) for n in ("W1", "gamma1", "W2", "b2")] == [1, 2, 3, 3]
    params = draw_params(whole, X.shape, np.random.default_rng(0))
    split = list(whole.split(params))
    assert [layer for layer, _ in split] == list(whole.layers)
    assert split[0][1] == {}
    assert split[3][1]["W"] is params["W2"]
    assert set(split[2][1]) == {*BatchNorm().params, *BatchNorm().buffers}


def test_costs_and_shapes_add_up():
    whole = Sequential((Affine(5), ReLU(), Affine(2)))
    assert whole.cost((3, 4)).multiply_adds == 3 * (20 + 10)
    assert whole.cost((3, 4)).flops == 3 * (5 * 8 + 5 + 2 * 10)
    assert whole.child_shapes((3, 4)) == ((3, 4), (3, 5), (3, 5))
    assert whole.param_shapes((3, 4)) == {"W1": (4, 5), "b1": (5,), "W2": (5, 2), "b2": (2,)}
    block = Residual((Affine(4),))
    assert block.cost((3, 4)).flops == 3 * (4 * 8 + 4)
    assert Branches(((Affine(2),), (Affine(3),))).cost((3, 4)).flops == 3 * 5 * 8
    assert Branches(((Flatten(), Affine(2)), (Flatten(),))).output_shape((3, 2, 2)) == (3, 6)
    assert Branches(((ReLU(),), (Tanh(),))).output_shape((2, 3, 4, 5)) == (2, 6, 4, 5)
    assert Branches(((ReLU(),), (Tanh(),))).output_shape((2, 3, 4, 5, 7)) == (2, 6, 4, 5, 7)
    assert isinstance(block, Composite)


def test_initial_tensors_are_drawn_in_order_from_generators_of_their_own():
    asked = []

    def rng(i):
        asked.append(i)
        return np.random.default_rng(i)

    whole = Residual((Affine(4), BatchNorm(), Affine(4)), (Affine(4, bias=False),))
    values = whole.init_params((6, 4), rng)
    assert asked == list(range(len(values)))
    assert {n: v.shape for n, v in values.items()} == whole.param_shapes((6, 4)) | whole.buffer_shapes((6, 4))
    assert (values["W2.1"] == Affine(4).init((4, 4), np.random.default_rng(len(values) - 1))).all()


def test_branches_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"branches must agree in every axis but axis 1, got \(3, 2\), \(3, 4, 5\)"):
        Branches(((Flatten(), Affine(2)), (ReLU(),))).output_shape((3, 4, 5))
    with pytest.raises(ShapeError, match=r"body and shortcut must put out the same shape, got \(3, 2\) and \(3, 3\)"):
        Residual((Affine(2),), (Affine(3),)).output_shape((3, 4))


class Watching(Affine):
    """An affine layer that writes down which passes it was asked for, and with which keys."""

    asked: list = []

    def forward(self, x, params, *, train=False, key=None):
        self.asked.append(("forward", key))
        return super().forward(x, params, train=train, key=key)

    def backward(self, dout, cache):
        self.asked.append("backward")
        return super().backward(dout, cache)

    def parameter_gradients(self, dout, cache):
        self.asked.append("parameter_gradients")
        return super().parameter_gradients(dout, cache)


def test_only_the_first_layer_is_spared_the_gradient_of_its_input():
    """And a layer that draws nothing gets no key."""
    whole = Sequential((Watching(3), Watching(2)))
    params = draw_params(whole, X.shape, np.random.default_rng(0))
    out, cache = whole.forward(X, params, train=True, key=KEY)
    assert Watching.asked == [("forward", None)] * 2
    Watching.asked.clear()
    whole.parameter_gradients(np.ones(out.shape), cache)
    assert Watching.asked == ["backward", "parameter_gradients", "parameter_gradients"]
    Watching.asked.clear()
    whole.backward(np.ones(out.shape), cache)
    assert Watching.asked == ["backward", "parameter_gradients"] * 2
    Watching.asked.clear()
