"""What every layer must satisfy, generated from `LAYERS` and their `examples()`: a new layer earns all of it.

Nothing here names a layer. Inputs, parameters, running statistics and cotangents are random; shapes come from the
examples and from at least twenty more per layer that are drawn from the axes.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
import zlib

import array_api_strict
import jax
import numpy as np
import pytest

from chainrule import initializers, layers
from chainrule.check import check_layer
from chainrule.check.differences import HAS_EXTENDED
from chainrule.check.layer import KEY, draw_input, draw_params
from chainrule.errors import ChainruleError, ConfigError, DTypeError, ShapeError
from chainrule.layers import LAYERS, Cost


def cases(most=None):
    """Examples of every layer: all, or the first few."""
    return pytest.mark.parametrize(
        ("layer", "shape"),
        [
            pytest.param(layer, tuple(shape), id=f"{kind.__name__}[{i}]{tuple(shape)}".replace(" ", ""))
            for kind in LAYERS
            for i, (layer, shape) in enumerate(kind.examples()[:most])
        ],
    )


every_case = cases()
every_layer = pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
in_both_modes = pytest.mark.parametrize("train", [False, True], ids=["test", "train"])

DRAWS = 20


def seed_of(kind):
    return zlib.crc32(kind.__name__.encode())


def drawn_values(layer, shape, dtype=np.float64, seed=0):
    """x, the parameters with the buffers, and a cotangent, all random."""
    rng = np.random.default_rng([seed, *shape])
    x = draw_input(shape, rng).astype(dtype)
    params = {n: v.astype(dtype) for n, v in draw_params(layer, shape, rng).items()}
    return x, params, rng.normal(size=layer.output_shape(shape)).astype(dtype)


def passes(layer, x, params, dout, train):
    out, cache = layer.forward(x, params, train=train, key=KEY)
    return out, layer.backward(dout, cache), layer.update_buffers(params, cache) if train else {}


def flattened(result):
    """Everything that `passes` returns, by name."""
    out, grads, buffers = result
    return {"out": out, **{f"d{n}": g for n, g in grads.items()}, **buffers}


def assert_close(got, expected, tolerance):
    got, expected = flattened(got), flattened(expected)
    assert set(got) == set(expected)  # JAX returns dictionaries sorted by name
    scale = max(
        abs(value).max() for value in expected.values()
    )  # what is small by cancellation is not held to its size
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(got[name]), value, rtol=tolerance, atol=tolerance * scale, err_msg=name)


def leaves(tree):
    """The arrays in a cache, however nested."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for branch in tree for leaf in leaves(branch)]
    return [tree] if isinstance(tree, np.ndarray) else []


def drawn_shapes(kind):
    """At least `DRAWS` input shapes that examples of `kind` take, with N = 1 and odd lengths among them."""
    rng = np.random.default_rng(seed_of(kind))
    examples = [(layer, tuple(shape)) for layer, shape in kind.examples()]
    found = {}
    for layer, shape in examples:
        found.setdefault((1, *shape[1:]), layer)  # every example must take a single row
    for _ in range(4000):
        if len(found) >= DRAWS:
            break
        layer, shape = examples[rng.integers(len(examples))]
        shape = list(shape)
        if "..." in layer.axes and rng.random() < 0.3:  # another rank
            shape = [*shape, 2] if rng.random() < 0.5 else shape[:-1]
        for axis in range(len(shape)):
            if rng.random() < 0.7:
                shape[axis] = int(rng.integers(1, 8 if axis else 30))
        if not shape or np.prod(shape) > 300:
            continue
        try:
            layer.bind(tuple(shape))
        except ShapeError:
            continue
        found.setdefault(tuple(shape), layer)
    return [(layer, shape) for shape, layer in found.items()]


# -- gradients --------------------------------------------------------------------------------------------------------


@every_case
def test_gradients_in_high_precision(layer, shape):
    reports = check_layer(layer, shape, tolerance=1e-10)
    assert all(r.ok for r in reports), "\n".join(map(str, reports))
    assert all(r.checked == r.size for r in reports)
    assert layer.has_kinks or not any(r.kinks for r in reports)
    assert not HAS_EXTENDED or {r.method for r in reports} == {"extended"}


@every_case
def test_gradients_in_float64_against_central_differences(layer, shape):
    reports = check_layer(layer, shape, method="central", tolerance=1e-6, seed=1)
    assert all(r.ok for r in reports), "\n".join(map(str, reports))


@every_layer
def test_gradients_and_shapes_for_drawn_shapes(kind):
    draws = drawn_shapes(kind)
    assert len(draws) >= DRAWS
    for layer, shape in draws:
        reports = check_layer(layer, shape, num_checks=4, tolerance=1e-10, seed=2)
        assert all(r.ok for r in reports), "\n".join(map(str, [layer, shape, *reports]))
        check_declared_shapes(layer, shape)


# -- what is declared is what happens ---------------------------------------------------------------------------------


def check_declared_shapes(layer, shape):
    x, params, dout = drawn_values(layer, shape)
    for train in (False, True):
        out, grads, buffers = passes(layer, x, params, dout, train)
        assert out.shape == layer.output_shape(shape)
        assert set(grads) == {"x", *layer.params}
        assert {n: g.shape for n, g in grads.items()} == {"x": shape, **layer.param_shapes(shape)}
        assert {n: b.shape for n, b in buffers.items()} == (layer.buffer_shapes(shape) if train else {})


@every_case
def test_shapes(layer, shape):
    check_declared_shapes(layer, shape)


@every_case
def test_initial_parameters(layer, shape):
    first, again = (layer.init_params(shape, lambda i: np.random.default_rng(i)) for _ in range(2))
    declared = layer.param_shapes(shape) | layer.buffer_shapes(shape)
    assert {n: v.shape for n, v in first.items()} == declared
    assert list(first) == [*layer.params, *layer.buffers]
    assert layer.param_count(shape) == sum(first[n].size for n in layer.params)
    assert not set(layer.params) & set(layer.buffers)
    for name, value in first.items():
        assert value.dtype == np.float64
        assert np.isfinite(value).all()
        assert np.array_equal(value, again[name])


@every_case
@in_both_modes
def test_parameter_gradients_are_those_of_backward(layer, shape, train):
    x, params, dout = drawn_values(layer, shape)
    _, cache = layer.forward(x, params, train=train, key=KEY)
    whole, part = layer.backward(dout, cache), layer.parameter_gradients(dout, cache)
    assert set(part) == set(layer.params)
    for name, value in part.items():
        assert np.array_equal(value, whole[name]), name


@every_case
def test_cost_counts_whole_operations_and_grows_evenly_with_the_batch(layer, shape):
    costs = [layer.cost((rows, *shape[1:])) for rows in (2, 4, 6)]
    for cost in costs:
        assert isinstance(cost, Cost)
        assert all(type(count) is int and count >= 0 for count in cost)
    for low, middle, high in zip(*costs, strict=True):
        assert high - middle == middle - low >= 0


# -- purity -----------------------------------------------------------------------------------------------------------


@every_case
@in_both_modes
def test_nothing_is_changed_and_everything_repeats(layer, shape, train):
    x, params, dout = drawn_values(layer, shape)
    given = [x, dout, *params.values()]
    kept = [a.copy() for a in given]
    for array in given:
        array.setflags(write=False)
    out, cache = layer.forward(x, params, train=train, key=KEY)
    inside = [a.copy() for a in leaves(cache)]
    first = flattened((out.copy(), layer.backward(dout, cache), layer.update_buffers(params, cache)))
    assert all(np.array_equal(a, b) for a, b in zip(leaves(cache), inside, strict=True)), "backward changed the cache"
    second = flattened((out, layer.backward(dout, cache), layer.update_buffers(params, cache)))
    third = flattened((layer.forward(x, params, train=train, key=KEY)[0], *passes(layer, x, params, dout, train)[1:]))
    for name in third:
        assert np.array_equal(first[name], second[name]), f"{name}: backward differs when repeated"
        assert np.array_equal(first[name], third[name]), f"{name}: forward and backward differ when repeated"
    assert all(np.array_equal(a, b) for a, b in zip(given, kept, strict=True))


@every_case
def test_buffers_stay_as_they_are_unless_updated_in_training(layer, shape):
    x, params, _ = drawn_values(layer, shape)
    _, cache = layer.forward(x, params, train=True, key=KEY)
    updated = layer.update_buffers(params, cache)
    assert set(updated) == set(layer.buffers)
    assert all(updated[n] is not params[n] for n in updated)


@every_layer
def test_random_numbers_come_from_the_key_alone(kind):
    changed = refused = False
    for layer, shape in kind.examples():
        x, params, _ = drawn_values(layer, shape)
        outs = [layer.forward(x, params, train=True, key=key)[0] for key in (1, 2, 2)]
        assert np.array_equal(outs[1], outs[2])
        changed |= not np.array_equal(outs[0], outs[1])
        layer.forward(x, params)  # no key is needed at test time
        try:
            layer.forward(x, params, train=True)
        except ConfigError:
            refused = True
        assert layer.uses_key or not (changed or refused)
    assert changed == refused == any(layer.uses_key for layer, _ in kind.examples())


@every_case
def test_rows_do_not_mix_at_test_time(layer, shape):
    x, params, _ = drawn_values(layer, (3, *shape[1:]))
    whole = layer.forward(x, params)[0]
    for row in range(3):
        alone = layer.forward(x[row : row + 1], params)[0]
        np.testing.assert_allclose(alone, whole[row : row + 1], rtol=1e-12, atol=1e-12)


# -- numbers: dtypes, memory layouts, extremes ------------------------------------------------------------------------


@every_case
@in_both_modes
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble], ids=lambda d: np.dtype(d).name)
def test_dtype_is_kept(layer, shape, train, dtype):
    x, params, dout = drawn_values(layer, shape, dtype)
    result = flattened(passes(layer, x, params, dout, train))
    assert {n: v.dtype for n, v in result.items()} == dict.fromkeys(result, np.dtype(dtype))
    assert all(isinstance(v, np.ndarray) for v in result.values())


@every_case
@in_both_modes
def test_float32_agrees_with_float64(layer, shape, train):
    x, params, dout = drawn_values(layer, shape, np.float32)
    wide = passes(layer, x.astype(float), {n: v.astype(float) for n, v in params.items()}, dout.astype(float), train)
    assert_close(passes(layer, x, params, dout, train), wide, 2e-4)


def strided(a):
    """Every second element along each axis of a larger array."""
    wide = np.full(tuple(2 * n for n in a.shape), np.nan, a.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def reversed_view(a):
    """An array that runs backwards through memory along each axis."""
    back = tuple(slice(None, None, -1) for _ in a.shape)
    return a[back].copy()[back]


VIEWS = {"transposed": np.asfortranarray, "strided": strided, "reversed": reversed_view}


@every_case
@in_both_modes
@pytest.mark.parametrize("view", VIEWS)
def test_memory_layout_does_not_matter(layer, shape, train, view):
    x, params, dout = drawn_values(layer, shape)
    view = VIEWS[view]
    viewed = passes(layer, view(x), {n: view(v) for n, v in params.items()}, view(dout), train)
    assert_close(viewed, passes(layer, x, params, dout, train), 1e-12)


@every_case
@in_both_modes
def test_broadcast_cotangent(layer, shape, train):
    x, params, dout = drawn_values(layer, shape)
    dout = np.broadcast_to(dout[:1] * 0 + 0.7, dout.shape)  # a view with strides of 0
    assert_close(passes(layer, x, params, dout, train), passes(layer, x, params, dout.copy(), train), 1e-12)


@every_case
@in_both_modes
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: np.dtype(d).name)
def test_extreme_inputs_stay_finite(layer, shape, train, dtype):
    drawn, params, dout = drawn_values(layer, shape, dtype)
    for x in (drawn * dtype(1e4), drawn * dtype(1e-12), drawn * 0, drawn * 0 + dtype(3.3)):
        for name, value in flattened(passes(layer, x, params, dout, train)).items():
            assert np.isfinite(value).all(), name  # and no floating-point warning, which would be an error


# -- other array libraries --------------------------------------------------------------------------------------------


@every_case
@in_both_modes
def test_array_api_strict_agrees(layer, shape, train):
    x, params, dout = drawn_values(layer, shape)
    strict = array_api_strict.asarray
    got = passes(layer, strict(x), {n: strict(v) for n, v in params.items()}, strict(dout), train)
    for value in flattened(got).values():
        assert value.__array_namespace__() is array_api_strict
        assert value.dtype == array_api_strict.float64
    assert_close(got, passes(layer, x, params, dout, train), 1e-12)


@cases(most=3)
def test_jax_agrees_when_compiled(layer, shape):
    x, params, dout = drawn_values(layer, shape)
    # Compiling takes most of the time of this file: both modes go into one program, and little is optimised. The
    # examples left out here are traced below, and computed by another library above.
    quickly = {"xla_backend_optimization_level": 0}
    with jax.enable_x64(True):
        compiled = jax.jit(lambda *a: [passes(layer, *a, train) for train in (False, True)], compiler_options=quickly)
        results = jax.tree.map(np.asarray, compiled(x, params, dout))
    for got, train in zip(results, (False, True), strict=True):
        assert_close(got, passes(layer, x, params, dout, train), 1e-12)


@every_case
@in_both_modes
def test_jax_traces_with_its_default_32_bit_types(layer, shape, train):
    x, params, dout = drawn_values(layer, shape, np.float32)
    with jax.enable_x64(False):
        traced = flattened(jax.eval_shape(lambda *a: passes(layer, *a, train), x, params, dout))
    expected = flattened(passes(layer, x, params, dout, train))
    assert {n: (v.shape, v.dtype) for n, v in traced.items()} == {n: (v.shape, v.dtype) for n, v in expected.items()}


# -- bad input --------------------------------------------------------------------------------------------------------


@every_case
def test_wrong_axes_are_refused(layer, shape):
    _, params, _ = drawn_values(layer, shape)
    refused = 0
    for rank in range(7):
        other = (2,) * rank
        try:
            layer.bind(other)
        except ShapeError:
            refused += 1
            with pytest.raises(ShapeError, match=r": .*\d|got shape \(\)"):
                layer.forward(np.zeros(other), params)
    assert refused or layer.axes.split()[0] == "..."
    assert "..." in layer.axes or refused >= 6
    if layer.axes.split()[0] == "N":
        with pytest.raises(ShapeError):
            layer.forward(np.zeros((0, *shape[1:])), params)


@every_case
def test_what_is_no_float_array_is_refused(layer, shape):
    x, params, _ = drawn_values(layer, shape)
    for bad in (x.tolist(), None, 3.0, "x", x.astype(np.int64), x > 0, x.astype(object)):
        with pytest.raises(DTypeError, match=r"x must"):
            layer.forward(bad, params)


@every_case
def test_a_gradient_that_does_not_fit_the_output_is_refused(layer, shape):
    x, params, dout = drawn_values(layer, shape)
    _, cache = layer.forward(x, params, train=True, key=1)
    wrong = [dout[..., None], np.concatenate([dout, dout]), np.concatenate([dout, dout], axis=-1)]
    wrong += [dout[:1]] if len(dout) > 1 else []  # what NumPy would broadcast
    wrong += [dout[..., :1]] if dout.shape[-1] > 1 else []
    for bad in wrong:
        with pytest.raises(ShapeError, match="dout must have the shape of the output"):
            layer.backward(bad, cache)
    for bad in (None, dout.tolist()):
        with pytest.raises(DTypeError, match="dout must be an array"):
            layer.backward(bad, cache)


@every_case
def test_missing_and_misshapen_parameters_are_refused(layer, shape):
    x, params, _ = drawn_values(layer, shape)
    for name, value in params.items():
        rest = {n: v for n, v in params.items() if n != name}
        with pytest.raises(ConfigError, match=rf"'{name}'"):
            layer.forward(x, rest)
        with pytest.raises(DTypeError, match=rf"{name} must be an array, got NoneType None"):
            layer.forward(x, {**params, name: None})
        with pytest.raises(ShapeError, match=name):
            layer.forward(x, {**params, name: np.zeros((*value.shape, 2))})
    if params:
        with pytest.raises(ConfigError):
            layer.forward(x)
        with pytest.raises(ConfigError):
            layer.forward(x, [1.0])


@every_layer
def test_surplus_and_missing_options_are_not_swallowed(kind):
    with pytest.raises((TypeError, ChainruleError)):
        kind(no_such_option=1)


# -- the declaration itself -------------------------------------------------------------------------------------------


@every_case
def test_declaration_is_a_frozen_value(layer, shape):
    twin = copy.deepcopy(layer)
    assert dataclasses.is_dataclass(layer)
    assert twin == layer == dataclasses.replace(layer)
    assert hash(twin) == hash(layer)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.name_of_something = 1
    known = {kind.__name__: kind for kind in (*LAYERS, *initializers.INITIALIZERS)}
    assert eval(repr(layer), {"__builtins__": {}}, known) == layer
    assert layer.name == type(layer).__name__
    assert getattr(layers, layer.name) is type(layer)


@every_layer
def test_file_states_both_passes_and_their_source(kind):
    text = sys.modules[kind.__module__].__doc__
    assert "    forward    " in text
    assert "    backward   " in text
    assert "\nSource: " in text
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")  # what a dataclass writes when nobody does
    assert len(kind.examples()) > 0
    assert any(shape[0] == 1 for _, shape in kind.examples()), "examples include a single row"
