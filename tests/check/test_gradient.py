"""The checker is checked: faults planted into correct passes must be found, and located, by every method."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from chainrule.check import check_gradient, check_layer, check_loss, relative_error
from chainrule.check.differences import HAS_EXTENDED
from chainrule.check.layer import draw_input, draw_params
from chainrule.errors import ConfigError, DataError, DTypeError, ShapeError
from chainrule.layers import Affine, Layer, Param, ReLU
from chainrule.losses import MultiClassHinge, SoftmaxCrossEntropy

METHODS = ["extended", "complex", "central"] if HAS_EXTENDED else ["complex", "central"]
RNG = np.random.default_rng(7)
X = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 3))
DOUT = RNG.normal(size=(4, 3))


def tanh_affine(w):
    return np.tanh(X.astype(w.dtype) @ w)


def tanh_affine_gradient(dout):
    return X.T @ (dout * (1 - np.tanh(X @ W) ** 2))


# -- correct gradients pass -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_correct_gradient_passes_and_says_how(method):
    report = check_gradient(tanh_affine, W, tanh_affine_gradient, method=method, name="W")
    assert report.ok
    assert report.method == method
    assert (report.checked, report.size, report.kinks) == (9, 9, 0)
    assert report.error < (1e-6 if method == "central" else 1e-12)
    assert str(report).startswith("W: ok, relative error")
    assert method in str(report)


def test_gradient_may_be_an_array_for_a_given_cotangent():
    assert check_gradient(tanh_affine, W, tanh_affine_gradient(DOUT), dout=DOUT).ok
    assert not check_gradient(tanh_affine, W, tanh_affine_gradient(DOUT), dout=-DOUT).ok


def test_pair_of_loss_and_gradient():
    assert check_gradient(lambda w: ((w**3).sum(), 3 * w**2), W).ok
    report = check_gradient(lambda w: ((w**3).sum(), 2 * w**2), W)
    assert not report.ok
    assert report.got == pytest.approx(report.expected * 2 / 3)


def test_numbers_scalars_and_zero_dimensional_arrays():
    assert check_gradient(math.sin, 0.5, np.cos(0.5), method="central").ok
    assert check_gradient(np.sin, np.float64(0.5), np.cos(0.5)).ok
    assert check_gradient(np.sin, np.array(0.5), lambda dout: dout * np.cos(0.5)).index == ()


def test_reports_are_the_same_for_the_same_seed():
    first, again = (check_gradient(tanh_affine, W, tanh_affine_gradient, seed=3) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_scale_of_x_does_not_matter(scale):
    x = X * scale
    assert check_gradient(lambda v: v**2, x, lambda dout: 2 * x * dout).ok


def test_gradient_that_is_zero_everywhere():
    assert check_gradient(lambda v: v - v, X, lambda dout: np.zeros_like(X)).ok
    # Rounding noise where the true gradient is 0 is no fault, a real number there is.
    assert check_gradient(lambda v: v - v + 1.0, X, lambda dout: np.full_like(X, 1e-17)).ok
    assert not check_gradient(lambda v: v - v + 1.0, X, lambda dout: np.full_like(X, 1e-4)).ok


# -- planted faults ---------------------------------------------------------------------------------------------------


def off_in_one_entry(gradient):
    changed = gradient.copy()
    changed[2, 1] *= 1 + 1e-4
    return changed


FAULTS = {
    "factor 2": lambda g: 2 * g,
    "sign": lambda g: -g,
    "transposed": lambda g: g.T,
    "batch mean for batch sum": lambda g: g / 4,
    "one entry, one part in ten thousand": off_in_one_entry,
    "row shifted": lambda g: np.roll(g, 1, axis=0),
    "nothing": np.zeros_like,
    "NaN": lambda g: np.where(g == g.max(), np.nan, g),
    "infinity": lambda g: np.where(g == g.max(), np.inf, g),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found_and_located(fault, method):
    report = check_gradient(
        tanh_affine, W, lambda dout: FAULTS[fault](tanh_affine_gradient(dout)), method=method, name="W"
    )
    assert not report.ok
    assert report.index is not None
    if fault.startswith("one entry"):
        assert report.index == (2, 1)
    assert str(report).startswith(f"W: index {report.index}: expected ")
    assert f"got {report.got:.6g}" in str(report)


def test_message_reads_as_promised():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    report = check_gradient(lambda v: (v**2).sum(), x, np.array([[2.0, 4.0], [6.0, 4.0]]), name="W")
    assert str(report).startswith("W: index (1, 1): expected 8, got 4 (relative error 0.5); 4 of 4 coordinates checked")


@dataclass(frozen=True)
class Faulty(Layer):
    """An affine layer with one planted fault; for "none" it is right."""

    fault: str

    axes = "N D -> N D"
    params = {"W": Param("D D", Affine(1).init), "b": Param("D", Affine(1).init)}

    def forward(self, x, params, *, train=False, key=None):
        mask = np.random.default_rng(key).random(x.shape) < 0.5
        dropped = x * mask / 0.5 if train else x
        if self.fault == "input changed":
            x += 1
        return dropped @ params["W"] + params["b"], (dropped, params["W"], mask if train else np.ones(x.shape, bool))

    def backward(self, dout, cache):
        x, w, mask = cache
        scale = 2.0 if not mask.all() else 1.0
        dx, dw, db = (dout @ w.T) * mask * scale, x.T @ dout, dout.sum(axis=0)
        match self.fault:
            case "cache changed":
                mask[...] = ~mask
            case "dropout mask not applied":
                dx = dout @ w.T
            case "dropout not scaled":
                dx = (dout @ w.T) * mask
            case "missing sum over the batch":
                db = dout[0]
            case "mean over the batch":
                dw = dw / len(x)
            case "weights transposed":
                dx = (dout @ w) * mask * scale
            case "gradient transposed":
                dw = dw.T
            case "no gradient":
                return {"x": dx, "W": dw}
            case "surplus gradient":
                return {"x": dx, "W": dw, "b": db, "beta": db}
            case "bias not reduced":
                db = dout
        return {"x": dx, "W": dw, "b": db}


@pytest.mark.parametrize(
    ("fault", "names"),
    {
        "none": [],
        "cache changed": ["cache (test)", "cache (train)"],
        "dropout mask not applied": ["x (train)"],
        "dropout not scaled": ["x (train)"],
        "missing sum over the batch": ["b (test)", "b (train)"],
        "mean over the batch": ["W (test)", "W (train)"],
        "weights transposed": ["x (test)", "x (train)"],
        "gradient transposed": ["W (test)", "W (train)"],
        "no gradient": ["b (test)", "b (train)"],
        "surplus gradient": ["beta (test)", "beta (train)"],
        "bias not reduced": ["b (test)", "b (train)"],
    }.items(),
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_fault_in_a_layer_is_found_in_the_right_tensor(fault, names, method):
    reports = check_layer(Faulty(fault), (5, 3), method=method)
    assert [r.name for r in reports if not r.ok] == [f"Faulty.{n}" for n in names]


def test_layer_that_changes_its_input_is_found():
    reports = {r.name: r for r in check_layer(Faulty("input changed"), (5, 3), train=False)}
    assert reports["Faulty.x (test)"].problems[0] == "f changes Faulty.x (test) in place"


@dataclass(frozen=True)
class OffByOneLabel(SoftmaxCrossEntropy):
    def __call__(self, scores, y):
        loss, dscores = SoftmaxCrossEntropy()(scores, y)
        return loss, SoftmaxCrossEntropy()(scores, (y + 1) % scores.shape[1])[1] if len(y) else dscores


@dataclass(frozen=True)
class SumForMean(MultiClassHinge):
    def __call__(self, scores, y):
        loss, dscores = MultiClassHinge()(scores, y)
        return loss, dscores * scores.shape[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loss", [OffByOneLabel(), SumForMean()], ids=lambda loss: loss.name)
def test_fault_in_a_loss_is_found(loss, method):
    y = np.array([0, 2, 1])
    report = check_loss(loss, (3, 4), y, method=method)
    assert not report.ok
    assert report.index is not None
    assert all(0 <= i < n for i, n in zip(report.index, (3, 4), strict=True))
    assert check_loss(type(loss).__mro__[1](), (3, 4), y, method=method).ok


def test_loss_that_is_no_number_is_a_finding():
    @dataclass(frozen=True)
    class PerRow(SoftmaxCrossEntropy):
        def __call__(self, scores, y):
            return scores.sum(axis=1), scores

    assert "shape (3,)" in str(check_loss(PerRow(), (3, 4), np.array([0, 2, 1])))


# -- findings beyond numbers ------------------------------------------------------------------------------------------


def test_wrong_shape_names_both():
    report = check_gradient(lambda v: (v**2).sum(), X, 2 * X.T, name="W")
    assert not report.ok
    assert "the gradient has shape (3, 4), W has shape (4, 3)" in str(report)


def test_in_place_change_is_found_and_does_not_spoil_the_numbers():
    def f(v):
        out = (v**2).sum()
        v *= 2
        return out

    kept = X.copy()
    report = check_gradient(f, X, 2 * X, name="W")
    assert report.problems == ("f changes W in place",)
    assert report.error < 1e-10
    assert not report.ok
    assert np.array_equal(X, kept)


def test_random_function_is_found():
    rng = np.random.default_rng(0)
    report = check_gradient(lambda v: (v * rng.random(v.shape)).sum(), X, np.ones_like(X))
    assert "two calls gave different values" in str(report)
    assert not report.ok


def test_views_that_later_calls_overwrite_do_not_spoil_the_check():
    held = np.concatenate((X.ravel(), X.ravel()))
    w, dw = held[:12].reshape(4, 3), held[12:].reshape(4, 3)

    def loss(v):
        w[...] = v
        dw[...] = 3 * w**2
        return (w**3).sum(), dw

    assert check_gradient(loss, w).ok
    w[...] = X
    loss(w.copy())
    assert check_gradient(lambda v: loss(v)[0], w, dw).ok
    w[...] = X
    assert check_gradient(lambda v: loss(v)[0], w, lambda dout: dout * dw).ok
    buffer = np.empty((4, 3))
    assert check_gradient(
        lambda v: np.multiply(v.real, v.real, out=buffer), X, lambda dout: 2 * X * dout, method="central"
    ).ok


def test_gradient_that_changes_x_in_place_is_found():
    x = X.copy()

    def gradient(dout):
        nonlocal x
        dx = 2 * x * dout
        x *= 2
        return dx

    report = check_gradient(lambda v: v**2, x, gradient, name="W")
    assert report.problems == ("gradient changes W in place",)
    assert report.error < 1e-10


# -- kinks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("off", [0.0, 1e-9, 1e-7, -1e-7, 1e-6])
def test_coordinates_at_a_kink_are_counted_and_left_out(off, method):
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    x[1, 2] = off  # a kink of ReLU within the step
    report = check_gradient(lambda v: np.maximum(v, 0), x, lambda dout: dout * (x > 0.5), method=method)
    assert report.kinks == 1
    assert report.index != (1, 2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fraction", np.linspace(0, 2.2, 23))
def test_no_kink_within_reach_of_the_step_passes_for_a_slope(fraction, method):
    step = 2.0**-15 if method == "extended" else 2.0 ** (-52 / 3)
    x = np.array([fraction * step, 0.7, -0.8, 1.1, -1.2])
    right = (x > 0).astype(float)
    report = check_gradient(lambda v: np.maximum(v, 0), x, lambda dout: dout * right, method=method)
    assert report.ok  # left out, or differentiated rightly; never a false alarm


def test_kinks_do_not_hide_a_fault_elsewhere():
    x = np.array([0.0, 1.0, -1.0, 2.0, -2.0])
    report = check_gradient(lambda v: np.maximum(v, 0), x, lambda dout: dout * np.array([0, 1, 0, 1, 0.5]))
    assert not report.ok
    assert report.kinks == 1
    assert report.index == (4,)


def test_too_many_kinks_are_a_finding():
    x = np.array([0.0, 0.0, 1.0, -1.0])
    report = check_gradient(lambda v: np.maximum(v, 0), x, lambda dout: dout * (x > 0))
    assert (report.kinks, report.ok) == (2, False)
    assert "2 of 4 coordinates lie at kinks" in str(report)
    assert check_gradient(abs, np.zeros(2), lambda dout: dout).index is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("at_kink", "ok"), [(0.0, True), (0.4, True), (1.0, True), (1.2, False), (-0.2, False)])
def test_a_gradient_at_a_kink_lies_between_the_slopes_to_either_side(at_kink, ok, method):
    x = np.array([0.7, 0.0, -0.8, 1.1, -1.2])
    wanted = np.array([1, at_kink, 0, 1, 0])
    report = check_gradient(lambda v: np.maximum(v, 0), x, wanted * 3, dout=np.full(5, 3.0), method=method)
    assert (report.kinks, report.ok) == (1, ok)
    if not ok:
        assert "index (1,) is a kink of f, where a gradient must lie between the slopes 0 and 3" in str(report)


# -- rounding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_a_gradient_hidden_by_rounding_cannot_be_told(factor, method):
    report = check_gradient(lambda v: (v**2).sum() + 1e15, X, 2 * X * factor, method=method)
    if method == "complex":  # the imaginary part is not rounded away
        assert report.ok == (factor == 1)
        return
    assert not report.ok
    assert report.hidden > 0
    assert "cannot be told" in str(report)


def test_large_values_that_do_vary_can_be_told():
    assert check_gradient(lambda v: (v**2).sum() * 1e15, X, 2e15 * X).ok
    assert not check_gradient(lambda v: (v**2).sum() * 1e15, X, 2.001e15 * X).ok
    assert check_gradient(lambda v: ((v + 1e4) ** 2).sum(), X, 2 * (X + 1e4)).ok


@pytest.mark.parametrize("method", METHODS)
def test_rounding_noise_around_a_zero_gradient_is_no_kink(method):
    def normalized_sum(b):  # a bias before batch normalisation, which takes it away again
        y = X + 1e3 * b
        return (y - y.mean(axis=0)) / (y - y.mean(axis=0))[0]

    report = check_gradient(normalized_sum, np.array([0.3, -1.2, 0.7]), lambda dout: np.zeros(3), method=method)
    assert (report.kinks, report.ok) == (0, True)
    report = check_gradient(normalized_sum, np.array([0.3, -1.2, 0.7]), lambda dout: np.full(3, 1e-3), method=method)
    assert not report.ok


def test_a_loss_computed_in_float32_is_imprecise_and_has_no_kinks():
    f = lambda v: float((v.real.astype(np.float32) ** 2).sum())  # noqa: E731
    report = check_gradient(f, X, 2 * X)
    assert (report.kinks, report.ok) == (0, True)
    assert 1e-3 < report.tolerance < 1e-2
    assert not check_gradient(f, X, 2.1 * X).ok


def test_strong_curvature_is_no_kink():
    x = RNG.normal(size=8)
    report = check_gradient(lambda v: np.exp(3 * v), x, lambda dout: 3 * np.exp(3 * x) * dout)
    assert (report.kinks, report.ok) == (0, True)


# -- methods ----------------------------------------------------------------------------------------------------------


def test_auto_takes_extended_precision_where_it_can():
    report = check_gradient(np.sin, X, lambda dout: np.cos(X) * dout)
    assert report.method == ("extended" if HAS_EXTENDED else "complex")


def refuses_extended(v):
    if v.dtype == np.longdouble:
        raise TypeError("array type longdouble is unsupported in linalg")
    return np.sin(v)


def test_auto_falls_back_to_complex_steps():
    report = check_gradient(refuses_extended, X, lambda dout: np.cos(X) * dout)
    assert (report.method, report.ok) == ("complex", True)


@pytest.mark.parametrize(
    "f",
    [
        lambda v: np.sin(v.astype(np.float64)),  # discards an imaginary part with a warning
        lambda v: np.asarray([float(t) for t in np.sin(v.real).ravel()]).reshape(v.shape),
        lambda v: np.sin(v.real.astype(np.float64)),
    ],
    ids=["cast", "loop", "real part"],
)
def test_auto_falls_back_to_central_differences_when_f_computes_in_float64(f):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check_gradient(lambda v: f(v), X, lambda dout: np.cos(X) * dout)
    assert (report.method, report.ok) == ("central", True)


def test_a_function_that_is_not_analytic_is_not_stepped_into_the_complex_plane():
    f = lambda v: (refuses_extended(v), np.sin(np.concatenate((v[:1], abs(v[1:]) + 0 * v[1:]))))[1]  # noqa: E731
    x = abs(X) + 0.1
    assert check_gradient(f, x, lambda dout: np.cos(x) * dout).method == "central"


@pytest.mark.skipif(not HAS_EXTENDED, reason="needs a wide longdouble")
def test_asking_for_a_method_that_f_does_not_allow():
    with pytest.raises(ConfigError, match="does not keep extended precision but returns float64"):
        check_gradient(lambda v: np.sin(v.astype(np.float64)), X, X, dout=X, method="extended")
    with pytest.raises(ConfigError, match="does not keep complex numbers"):
        check_gradient(lambda v: np.sin(v.real), X, X, dout=X, method="complex")


def test_function_that_computes_in_float32_is_judged_by_what_float32_can_tell():
    f = lambda v: np.sin(v.real.astype(np.float32))  # noqa: E731
    report = check_gradient(f, X, lambda dout: np.cos(X) * dout)
    assert (report.method, report.ok) == ("central", True)
    assert 1e-3 < report.tolerance < 1e-2
    assert not check_gradient(f, X, lambda dout: 1.1 * np.cos(X) * dout).ok


def test_float32_input_is_widened():
    x = X.astype(np.float32)
    gradient = 2 * x
    report = check_gradient(lambda v: (v**2).sum(), x, gradient)
    assert report.ok
    assert report.error < 1e-6  # with differences in float32 every digit would be lost
    assert 1e-4 < report.tolerance < 1e-3
    assert not check_gradient(lambda v: (v**2).sum(), x, gradient * np.float32(1.01)).ok


def test_coordinates_can_be_sampled():
    x = RNG.normal(size=(40, 50))
    calls = []
    f = lambda v: (calls.append(1), (v**2).sum())[1]  # noqa: E731
    report = check_gradient(f, x, 2 * x, num_checks=6)
    assert (report.checked, report.size, report.ok) == (6, 2000, True)
    assert len(calls) < 100
    assert "6 of 2000 coordinates" in str(report)
    assert check_gradient(f, x[:1, :3], 2 * x[:1, :3], num_checks=10).checked == 3


def test_options_are_used():
    wrong = 2 * X * (1 + 1e-5)
    f = lambda v: (v**2).sum()  # noqa: E731
    assert not check_gradient(f, X, wrong).ok
    assert check_gradient(f, X, wrong, tolerance=1e-4).ok
    reach = []
    check_gradient(lambda v: (reach.append(abs(v - X).max()), f(v))[1], X, 2 * X, method="central", step=0.25)
    assert max(reach) == pytest.approx(0.25 * max(1, abs(X).max()))


# -- bad arguments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "x", "options", "message"),
    [
        (DTypeError, [1.0, 2.0], {}, "x must be a NumPy array, got list"),
        (DTypeError, np.arange(3), {}, "got dtype int64"),
        (DTypeError, np.ones(2, complex), {}, "and dtype complex128"),
        (ShapeError, np.ones((0, 2)), {}, r"got shape \(0, 2\)"),
        (DataError, np.array([1.0, np.nan]), {}, "got NaN or infinity"),
        (ConfigError, X, {"method": "centrl"}, "did you mean 'central'"),
        (ConfigError, X, {"num_checks": 0}, "num_checks must be an integer >= 1"),
        (ConfigError, X, {"step": 0.0}, "step must be a number > 0"),
        (ConfigError, X, {"tolerance": -1.0}, "tolerance must be a number >= 0"),
        (ShapeError, X, {"dout": np.ones(3)}, r"dout must have the shape of f, \(4, 3\), got \(3,\)"),
        (ConfigError, X, {}, r"dout must be given for f of shape \(4, 3\)"),
    ],
)
def test_bad_arguments_get_typed_errors(error, x, options, message):
    with pytest.raises(error, match=message):
        check_gradient(lambda v: v * 2, x, X, **options)


def test_gradient_is_needed_unless_f_returns_it():
    with pytest.raises(ConfigError, match="gradient must be given"):
        check_gradient(lambda v: v.sum(), X)


def test_check_layer_refuses_what_is_no_layer():
    with pytest.raises(DTypeError, match="must be a Layer"):
        check_layer("Affine")
    with pytest.raises(DTypeError, match="must be a Loss"):
        check_loss("MSE", (3,), np.ones(3))
    with pytest.raises(ShapeError, match=r"got shape \(3,\)"):
        check_layer(Affine(2), (3,))


def test_check_layer_finds_a_shape_itself():
    assert all(r.ok for r in check_layer(Affine(9)))
    assert {r.name for r in check_layer(ReLU(), train=True)} == {"ReLU.x (train)"}


# -- the drawn numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 3), (5, 7), (3, 3, 7, 7), (70, 41)])
def test_inputs_keep_away_from_ties_and_from_zero(shape):
    x = draw_input(shape, np.random.default_rng(1)).ravel()
    assert abs(x).min() > 2.9e-4
    assert len(x) == 1 or np.diff(np.sort(x)).min() >= 1.5e-3
    assert abs(x).max() <= max(2.5, 1.1e-3 * len(x))


def test_parameters_are_drawn_with_either_sign():
    params = draw_params(Affine(40), (2, 30), np.random.default_rng(1))
    assert (params["W"] > 0).any()
    assert (params["W"] < 0).any()
    assert abs(params["b"]).min() > 0.3


# -- relative_error ---------------------------------------------------------------------------------------------------


def test_relative_error():
    assert relative_error(np.array([1.0, 3.0]), np.array([1.0, 4.0])) == 0.25
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0
    assert relative_error(np.array([1.0, 1e-9]), np.array([1.0, 0.0])) == pytest.approx(1e-6)
    assert relative_error(np.array([1.0, 1e-9]), np.array([1.0, 0.0]), floor=0.0) == 1
    assert relative_error(np.array([np.nan]), np.array([1.0])) == math.inf
    assert relative_error(np.array([1], dtype=np.uint8), np.array([2], dtype=np.uint8)) == 0.5
    with pytest.raises(ShapeError, match=r"\(3, 1\)"):
        relative_error(np.zeros(3), np.zeros((3, 1)))


X3 = np.array([0.5, -1.0, 2.0])


def test_a_gradient_that_is_not_finite_is_a_finding_wherever_it_is():
    x = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    with np.errstate(invalid="ignore"):
        report = check_gradient(np.abs, x, lambda dout: dout * x / abs(x))  # NaN at the kink
    assert not report.ok
    assert "not finite at index (0,)" in str(report)
    got = np.where(np.arange(5) == 3, np.inf, 2 * x)
    report = check_gradient(lambda x: (x**2).sum(), x + 1, got + 2, num_checks=1)
    assert not report.ok


def test_a_gradient_that_changes_dout_is_a_finding():
    def backward(dout):
        dout *= 2
        return dout

    report = check_gradient(lambda x: 2 * x, np.array([0.5, -1.0]), backward)
    assert not report.ok
    assert "changes dout in place" in str(report)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.sin, X3, np.cos(X3) + 5j, np.ones(3)), DTypeError, "gradient must be an array of real numbers"),
        ((np.sin, X3, np.array(["a", "b", "c"]), np.ones(3)), DTypeError, "gradient must be an array of real numbers"),
        ((np.sin, X3, np.cos(X3), np.array(["a", "b", "c"])), DTypeError, "dout must be an array of real numbers"),
        ((np.sin, X3, np.cos(X3), np.zeros(3)), DataError, "not all zero"),
        ((np.sin, X3, np.cos(X3), np.full(3, np.nan)), DataError, "finite"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments, error, words):
    f, x, gradient, dout = arguments
    with pytest.raises(error, match=words):
        check_gradient(f, x, gradient, dout=dout)
