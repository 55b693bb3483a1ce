"""Initialisers: the distribution each promises, its fans, and draws that a seed fixes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chainrule.arrays import Stream, generator
from chainrule.errors import ConfigError, DTypeError
from chainrule.initializers import (
    INITIALIZERS,
    Constant,
    He,
    Initializer,
    Normal,
    Ones,
    Orthogonal,
    Uniform,
    Xavier,
    Zeros,
    fans,
    he_normal,
    ones,
    xavier_normal,
    zeros,
)

SHAPES = [(), (1,), (7,), (3, 5), (1, 1), (5, 3), (4, 3, 2, 2), (0, 3), (2, 3, 4)]
EVERY: list[Initializer] = [cls(0.5) if cls is Constant else cls() for cls in INITIALIZERS]
EVERY += [He("uniform", 1.0), Xavier("uniform"), Orthogonal(3.0)]


def rng(seed: int = 0, layer: int = 0) -> np.random.Generator:
    return generator(seed, Stream.INIT, layer=layer)


def test_the_list_is_complete() -> None:
    defined = {c for c in Initializer.__subclasses__() if c.__module__ == Initializer.__module__}
    assert set(INITIALIZERS) == defined
    assert (zeros, ones, he_normal, xavier_normal) == (Zeros(), Ones(), He("normal", 2.0), Xavier("normal"))


@pytest.mark.parametrize("init", EVERY, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_dtype_and_reproducibility(init: Initializer, shape: tuple[int, ...]) -> None:
    drawn = init(shape, rng())
    assert drawn.shape == shape
    assert drawn.dtype == np.float64
    assert np.isfinite(drawn).all()
    assert (init(shape, rng()) == drawn).all()
    assert init(shape, np.random.RandomState(0)).shape == shape  # historical draws


@pytest.mark.parametrize("init", [Normal(1.0), Uniform(1.0), He(), Xavier(), Orthogonal()], ids=repr)
def test_other_seeds_and_other_tensors_draw_other_numbers(init: Initializer) -> None:
    drawn = init((30, 30), rng())
    for other in (init((30, 30), rng(1)), init((30, 30), rng(0, 1))):
        assert (drawn != other).all()
        assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("init", "shape", "variance", "uniform"),
    [
        (Normal(0.3), (200, 200), 0.09, False),
        (Normal(), (200, 200), 1e-4, False),
        (Uniform(0.6), (200, 200), 0.12, True),
        (Uniform(), (200, 200), 1e-4 / 3, True),
        (He(), (100, 400), 2 / 100, False),
        (He("uniform"), (100, 400), 2 / 100, True),
        (He(gain=1.0), (400, 100), 1 / 400, False),
        (He(), (64, 16, 5, 5), 2 / (16 * 25), False),
        (He("uniform", 3.0), (64, 16, 5, 5), 3 / (16 * 25), True),
        (Xavier(), (100, 400), 2 / 500, False),
        (Xavier("uniform"), (400, 100), 2 / 500, True),
        (Xavier(), (64, 16, 5, 5), 2 / (80 * 25), False),
    ],
    ids=repr,
)
def test_moments(init: Initializer, shape: tuple[int, ...], variance: float, uniform: bool) -> None:
    drawn = init(shape, rng())
    n, std = drawn.size, math.sqrt(variance)
    assert abs(drawn.mean()) < 5 * std / math.sqrt(n)
    assert drawn.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / n))
    kurtosis = np.mean(drawn**4) / variance**2
    assert kurtosis == pytest.approx(1.8 if uniform else 3.0, rel=0.1)
    if uniform:
        bound = math.sqrt(3) * std
        assert abs(drawn).max() <= bound
        assert abs(drawn).max() > 0.999 * bound
        assert drawn.min() < 0 < drawn.max()


def test_constants() -> None:
    assert not Zeros()((2, 3), rng()).any()
    assert (Ones()((2, 3), rng()) == 1).all()
    assert (Constant(-2)((2, 3), rng()) == -2).all()
    assert Constant(-2)((1,), rng()).dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (1, 1)), ((5,), (5, 5)), ((784, 100), (784, 100)), ((32, 3, 7, 7), (147, 1568)), ((8, 4, 3), (12, 24))],
)
def test_fans(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert fans(shape) == expected


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 3, 2, 2), (20, 3, 2, 2), (6,), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 0.5, -2.0])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...], gain: float) -> None:
    q = Orthogonal(gain)(shape, rng()).reshape(shape[0] if len(shape) > 1 else 1, -1)
    product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-14)


def test_orthogonal_is_uniform_over_signs() -> None:
    """QR alone returns a one-sided distribution: the diagonal of R is then always of one sign."""
    traces = [np.trace(Orthogonal()((4, 4), np.random.default_rng(s))) for s in range(400)]
    assert abs(np.mean(traces)) < 0.2
    assert np.var(traces) == pytest.approx(1.0, abs=0.25)  # of a Haar matrix: exactly 1


def test_a_gain_of_zero_is_not_a_missing_gain() -> None:
    assert not He(gain=0)((3, 3), rng()).any()
    assert not Normal(0)((3, 3), rng()).any()
    assert not Orthogonal(0)((3, 3), rng()).any()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Constant("1"), DTypeError, r"Constant: value must be a number, got str '1'"),  # type: ignore[arg-type]
        (lambda: Constant(math.nan), ConfigError, r"Constant: value must be a number that is finite, got nan"),
        (lambda: Normal(-1), ConfigError, r"Normal: scale must be a number >= 0, got -1"),
        (lambda: Normal(math.inf), ConfigError, r"Normal: scale must be a number >= 0, got inf"),
        (lambda: Uniform(True), DTypeError, r"Uniform: scale must be a number, got bool True"),
        (lambda: He("gauss"), ConfigError, r"He: distribution must be 'normal' or 'uniform', got 'gauss'"),  # type: ignore[arg-type]
        (lambda: He(gain=-1), ConfigError, r"He: gain must be a number >= 0, got -1"),
        (lambda: Xavier(None), DTypeError, r"Xavier: distribution must be .*, got None"),  # type: ignore[arg-type]
        (lambda: Orthogonal([1.0]), DTypeError, r"Orthogonal: gain must be a number, got list"),  # type: ignore[arg-type]
    ],
)
def test_bad_numbers(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]


def test_the_base_draws_nothing() -> None:
    with pytest.raises(NotImplementedError):
        Initializer()((2,), rng())
