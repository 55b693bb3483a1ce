"""What every loss must satisfy, generated from `LOSSES` and their `examples()`: a new loss earns all of it."""

from __future__ import annotations

import copy
import dataclasses
import sys
import zlib

import array_api_strict
import jax
import numpy as np
import pytest

from chainrule import losses
from chainrule.check import check_loss
from chainrule.check.differences import HAS_EXTENDED
from chainrule.check.layer import draw_input
from chainrule.errors import ChainruleError, ConfigError, DataError, DTypeError, ShapeError
from chainrule.losses import LOSSES, Loss

every_case = pytest.mark.parametrize(
    ("loss", "shape", "targets"),
    [
        pytest.param(loss, tuple(shape), targets, id=f"{kind.__name__}[{i}]{tuple(shape)}".replace(" ", ""))
        for kind in LOSSES
        for i, (loss, shape, targets) in enumerate(kind.examples())
    ],
)
every_loss = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)

DRAWS = 20


def drawn(shape, targets, dtype=np.float64, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return draw_input(shape, rng).astype(dtype), targets(rng, shape)


def drawn_shapes(kind):
    """At least `DRAWS` shapes of scores that examples of `kind` take, one row among them."""
    rng = np.random.default_rng(zlib.crc32(kind.__name__.encode()))
    examples = kind.examples()
    found = {(1, *shape[1:]): (loss, targets) for loss, shape, targets in examples}
    for _ in range(2000):
        if len(found) >= DRAWS:
            break
        loss, shape, targets = examples[rng.integers(len(examples))]
        shape = tuple(int(rng.integers(1, 8 if axis else 40)) for axis in range(len(shape)))
        try:
            loss.check_scores(np.zeros(shape))
        except ChainruleError:
            continue
        found.setdefault(shape, (loss, targets))
    return [(loss, shape, targets) for shape, (loss, targets) in found.items()]


# -- gradients --------------------------------------------------------------------------------------------------------


@every_case
def test_gradient_in_high_precision(loss, shape, targets):
    report = check_loss(loss, shape, targets, tolerance=1e-10)
    assert report.ok, report
    assert loss.has_kinks or report.kinks == 0
    assert report.checked == report.size
    assert not HAS_EXTENDED or report.method == "extended"


@every_case
def test_gradient_in_float64_against_central_differences(loss, shape, targets):
    report = check_loss(loss, shape, targets, method="central", tolerance=1e-6, seed=1)
    assert report.ok, report


@every_loss
def test_gradient_for_drawn_shapes(kind):
    draws = drawn_shapes(kind)
    assert len(draws) >= DRAWS
    for loss, shape, targets in draws:
        report = check_loss(loss, shape, targets, num_checks=8, tolerance=1e-10, seed=2)
        assert report.ok, (loss, shape, report)
        scores, y = drawn(shape, targets)
        value, dscores = loss(scores, y)
        assert value.shape == ()
        assert dscores.shape == shape


# -- what a loss is ---------------------------------------------------------------------------------------------------


@every_case
def test_loss_is_a_mean_over_the_batch(loss, shape, targets):
    scores, y = drawn(shape, targets)
    value, dscores = loss(scores, y)
    twice, dtwice = loss(np.concatenate((scores, scores)), np.concatenate((y, y)))
    assert value >= 0
    np.testing.assert_allclose(twice, value, rtol=1e-12)
    np.testing.assert_allclose(dtwice, np.concatenate((dscores, dscores)) / 2, rtol=1e-12, atol=1e-15)
    back = np.arange(shape[0])[::-1]
    np.testing.assert_allclose(loss(scores[back], y[back])[0], value, rtol=1e-12)


@every_case
def test_a_step_against_the_gradient_lowers_the_loss(loss, shape, targets):
    scores, y = drawn(shape, targets)
    value, dscores = loss(scores, y)
    assert loss(scores - 1e-3 * dscores, y)[0] < value or not dscores.any()


@every_case
def test_prediction_probabilities_and_score_fit_each_other(loss, shape, targets):
    scores, y = drawn(shape, targets)
    predicted = loss.predict(scores)
    assert predicted.shape in (shape[:1], shape)
    assert loss.score(scores, y) <= 1
    assert type(loss.score(scores, y)) is float
    try:
        p = loss.probabilities(scores)
    except ConfigError as error:
        assert "defines no probabilities" in str(error)  # noqa: PT017
        return
    assert p.shape[0] == shape[0]
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert np.array_equal(p.argmax(axis=1), predicted)


@every_case
def test_perfect_predictions_score_one(loss, shape, targets):
    scores, y = drawn(shape, targets)
    if loss.predict(scores) is scores:
        assert loss.score(y.astype(float), y) == 1
    elif len(shape) == 1:
        assert loss.score(np.where(y > 0, 3.0, -3.0), y) == 1
        assert loss.score(np.where(y > 0, -3.0, 3.0), y) == 0
    else:
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        best = np.eye(shape[1])[labels]
        assert loss.score(best, y) == 1
        assert loss.score(-best, y) == 0


# -- purity, dtypes, layouts, extremes --------------------------------------------------------------------------------


@every_case
def test_nothing_is_changed_and_everything_repeats(loss, shape, targets):
    scores, y = drawn(shape, targets)
    kept = scores.copy(), y.copy()
    scores.setflags(write=False)
    y.setflags(write=False)
    first, second = loss(scores, y), loss(scores, y)
    loss.predict(scores), loss.score(scores, y)
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])
    assert np.array_equal(scores, kept[0])
    assert np.array_equal(y, kept[1])


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble], ids=lambda d: np.dtype(d).name)
def test_dtype_of_the_scores_is_kept(loss, shape, targets, dtype):
    scores, y = drawn(shape, targets, dtype)
    value, dscores = loss(scores, y)
    assert value.dtype == dscores.dtype == dtype
    exact, dexact = loss(scores.astype(np.float64), y)
    np.testing.assert_allclose(float(value), float(exact), rtol=1e-5)
    np.testing.assert_allclose(dscores.astype(float), dexact, rtol=1e-5, atol=1e-7)


@every_case
def test_memory_layout_does_not_matter(loss, shape, targets):
    scores, y = drawn(shape, targets)
    expected = loss(scores, y)
    back = tuple(slice(None, None, -1) for _ in shape)
    strided = np.repeat(scores, 2, axis=0)[::2]
    for view in (np.asfortranarray(scores), strided, scores[back].copy()[back]):
        got = loss(view, np.repeat(y, 2, axis=0)[::2])
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-13)
        np.testing.assert_allclose(got[1], expected[1], rtol=1e-13, atol=1e-16)


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: np.dtype(d).name)
def test_extreme_scores_stay_finite(loss, shape, targets, dtype):
    scores, y = drawn(shape, targets, dtype)
    for extreme in (scores * dtype(1e4), scores * dtype(1e-12), scores * 0, scores * 0 + dtype(1e4)):
        value, dscores = loss(extreme, y)
        assert np.isfinite(value)
        assert np.isfinite(dscores).all()  # and no floating-point warning, which would be an error


# -- other array libraries --------------------------------------------------------------------------------------------


def results(loss, scores, y):
    return (*loss(scores, y), loss.predict(scores))


@every_case
def test_array_api_strict_agrees(loss, shape, targets):
    scores, y = drawn(shape, targets)
    got = results(loss, array_api_strict.asarray(scores), array_api_strict.asarray(y))
    for value, expected in zip(got, results(loss, scores, y), strict=True):
        assert value.__array_namespace__() is array_api_strict
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-12, atol=1e-15)
    assert loss.score(array_api_strict.asarray(scores), array_api_strict.asarray(y)) == loss.score(scores, y)


@every_case
def test_jax_agrees_when_compiled(loss, shape, targets):
    scores, y = drawn(shape, targets)
    with jax.enable_x64(True):
        got = jax.tree.map(np.asarray, jax.jit(lambda *a: results(loss, *a))(scores, y))
    for value, expected in zip(got, results(loss, scores, y), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15)


@every_case
def test_jax_traces_with_its_default_32_bit_types(loss, shape, targets):
    scores, y = drawn(shape, targets, np.float32)
    y = y.astype(np.float32 if y.dtype.kind == "f" else np.int32)
    with jax.enable_x64(False):
        value, dscores, _ = jax.eval_shape(lambda *a: results(loss, *a), scores, y)
    assert (value.shape, value.dtype) == ((), np.float32)
    assert (dscores.shape, dscores.dtype) == (shape, np.float32)


# -- bad input --------------------------------------------------------------------------------------------------------


@every_case
def test_what_is_no_float_array_is_refused(loss, shape, targets):
    scores, y = drawn(shape, targets)
    for bad in (scores.tolist(), None, 3.0, scores.astype(np.int64), scores > 0):
        for call in (lambda s: loss(s, y), loss.predict, lambda s: loss.score(s, y)):
            with pytest.raises(DTypeError, match=r"scores must"):
                call(bad)
    for bad in (y.tolist(), None):
        with pytest.raises(DTypeError, match=r"y must be an array"):
            loss(scores, bad)
        with pytest.raises(DTypeError, match=r"y must be an array"):
            loss.score(scores, bad)


@every_case
def test_wrong_axes_are_refused_and_nothing_broadcasts(loss, shape, targets):
    scores, y = drawn(shape, targets)
    wrong = [y[:, None], np.concatenate((y, y)), y[:0], np.asarray(y.ravel()[0])]
    for bad in wrong:
        with pytest.raises(ShapeError, match=r"y must .*got"):
            loss(scores, bad)
        with pytest.raises(ShapeError, match=r"y must .*got"):
            loss.score(scores, bad)
    for bad in (np.float64(1.0), scores[:0]):
        with pytest.raises(ShapeError, match=r"scores .*got shape"):
            loss(bad, y)
        with pytest.raises(ShapeError, match=r"scores .*got shape"):
            loss.predict(bad)


@every_case
def test_damaged_targets_are_refused(loss, shape, targets):
    scores, y = drawn(shape, targets)
    for value in (99, -7) if y.dtype.kind in "iu" else (np.nan, np.inf, -np.inf):
        bad = y.copy()
        bad.flat[-1] = value
        with pytest.raises(DataError, match="y must"):
            loss(scores, bad)
        with pytest.raises(DataError, match="y must"):
            loss.score(scores, bad)


@every_loss
def test_surplus_options_are_not_swallowed(kind):
    with pytest.raises((TypeError, ChainruleError)):
        kind(no_such_option=1)


# -- the declaration itself -------------------------------------------------------------------------------------------


@every_case
def test_declaration_is_a_frozen_value(loss, shape, targets):
    twin = copy.deepcopy(loss)
    assert twin == loss == dataclasses.replace(loss)
    assert hash(twin) == hash(loss)
    with pytest.raises(dataclasses.FrozenInstanceError):
        loss.name_of_something = 1
    assert eval(repr(loss), {"__builtins__": {}}, {kind.__name__: kind for kind in LOSSES}) == loss
    assert getattr(losses, loss.name) is type(loss)
    assert isinstance(loss, Loss)


@every_loss
def test_file_states_the_loss_its_gradient_and_its_source(kind):
    text = sys.modules[kind.__module__].__doc__
    assert "    L = " in text or "  L = " in text
    assert "∂L/∂s" in text
    assert "\nSource: " in text
    assert not kind.__doc__.startswith(f"{kind.__name__}(")
    assert any(shape[0] == 1 for _, shape, _ in kind.examples()), "examples include a single row"
