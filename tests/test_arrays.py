"""Array helpers: special functions against the standard library's, Philox against its published vectors."""

from __future__ import annotations

import math

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.arrays import (
    Stream,
    _philox_in_place,
    along_channels,
    derive_key,
    erf,
    erfc,
    expm1_of_negative,
    keep_mask,
    namespace,
    one_hot,
    philox4x32,
    positive,
    random_words,
    sigmoid,
    softplus,
    sum_to_channels,
)

POINTS = np.concatenate([np.linspace(-6, 6, 2401), [-1e4, -700.0, -30.0, -1e-8, 0.0, 1e-300, 26.0, 720.0, 1e4, np.inf]])
EXTREMES = [-math.inf, -1e4, -745.2, -709.9, -104.0, -88.8, 0.0, 88.8, 104.0, 709.9, 745.2, 1e4, math.inf]


# -- special functions ----------------------------------------------------------------------------------------------


def test_erf_against_math():
    expected = np.array([math.erf(v) for v in POINTS])
    assert np.abs(erf(POINTS) - expected).max() < 6e-16
    assert np.abs(erf(POINTS.astype(np.longdouble)) - expected).max() < 4e-16
    single = erf(POINTS.astype(np.float32))
    assert single.dtype == np.float32
    assert np.abs(single - expected).max() < 5e-7
    assert float(erf(np.zeros(1))[0]) == pytest.approx(0, abs=3e-16)
    assert math.isnan(erf(np.array([math.nan]))[0])


def test_erfc_keeps_its_relative_accuracy_in_the_tail():
    x = np.linspace(-5, 26, 4001)
    expected = np.array([math.erfc(v) for v in x])
    assert (np.abs(erfc(x) - expected) <= 1e-13 * expected).all()
    near = x[x < 8]
    single = erfc(near.astype(np.float32)).astype(float)
    exact = np.array([math.erfc(v) for v in near.astype(np.float32).astype(float)])
    assert (np.abs(single - exact) <= 1e-5 * exact).all()


@pytest.mark.parametrize("h", [1e-20, 1e-8])
def test_erf_has_the_right_complex_step(h):
    x = np.linspace(-4, 4, 801)
    derivative = erf(x + 1j * h).imag / h
    assert np.abs(derivative - 2 / math.sqrt(math.pi) * np.exp(-x * x)).max() < 1e-14


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("function", [erf, erfc, sigmoid, softplus])
def test_functions_neither_overflow_nor_leave_their_dtype(function, dtype):
    x = np.array([v for v in EXTREMES if function is not softplus or math.isfinite(v)], dtype=dtype)
    y = function(x)
    assert y.dtype == dtype
    assert np.isfinite(y).all()
    assert (np.diff(y) * (-1 if function is erfc else 1) >= 0).all()


def test_sigmoid_and_softplus_against_math():
    x = np.linspace(-700, 700, 5601)
    assert np.allclose(sigmoid(x), [1 / (1 + math.exp(-v)) for v in x], rtol=4e-16, atol=0)
    exact = [math.log1p(math.exp(-abs(v))) + max(v, 0) for v in x]
    assert np.allclose(softplus(x), exact, rtol=1e-15, atol=0)
    single = softplus(x.astype(np.float32)[np.abs(x) < 80]).astype(float)
    assert np.allclose(single, np.array(exact)[np.abs(x) < 80], rtol=5e-6, atol=0)


def test_expm1_of_negative_against_math():
    x = -np.concatenate([np.logspace(-300, 4, 1201), [0.0]])
    assert np.allclose(expm1_of_negative(x), [math.expm1(v) for v in x], rtol=1e-15, atol=0)


def test_functions_agree_on_other_array_libraries():
    jnp = pytest.importorskip("jax.numpy")
    x = np.linspace(-5, 5, 41).astype(np.float32)
    for function in (erf, erfc, sigmoid, softplus, positive):
        expected = function(x)
        for xp in (array_api_strict, jnp):
            y = function(xp.asarray(x))
            assert str(y.dtype).endswith("float32")
            assert np.allclose(np.asarray(y), expected, rtol=1e-5, atol=1e-6)


# -- shapes ---------------------------------------------------------------------------------------------------------


def test_channels_are_axis_one():
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    v = np.array([1.0, 10.0, 100.0])
    assert (along_channels(v, x) * x == x * v[None, :, None, None]).all()
    assert (along_channels(v, x[:, :, 0, 0]) + x[:, :, 0, 0] == x[:, :, 0, 0] + v).all()
    assert (sum_to_channels(x) == x.sum(axis=(0, 2, 3))).all()
    assert (sum_to_channels(x[:, :, 0, 0]) == x[:, :, 0, 0].sum(axis=0)).all()


def test_one_hot_and_positive():
    like = np.zeros(1, np.float32)
    assert one_hot(np.array([2, 0]), 3, like).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(np.array([2, 0]), 3, like).dtype == np.float32
    assert positive(np.array([-1.0, -0.0, 0.0, 1e-300])).tolist() == [0, 0, 0, 1]


def test_namespace():
    assert namespace(np.zeros(1)) is np
    assert namespace(array_api_strict.zeros(1)) is array_api_strict


# -- counter-based random numbers -----------------------------------------------------------------------------------

ONES = 0xFFFFFFFF
#: Known answers from the authors' Random123 distribution (kat_vectors, philox4x32 with 10 rounds).
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_known_answers(counter, key, expected):
    whole = key[0] | key[1] << 32
    assert philox4x32(counter, whole) == expected
    assert philox4x32(counter, np.uint64(whole)) == expected
    for xp in (np, array_api_strict, pytest.importorskip("jax.numpy")):
        words = tuple(xp.asarray([c, c], dtype=xp.uint32) for c in counter)
        drawn = philox4x32(words, whole)
        assert all(w.dtype == xp.uint32 for w in drawn)
        assert tuple(int(w[1]) for w in drawn) == expected
    in_place = [np.array([c, c], dtype=np.uint64) for c in counter]
    _philox_in_place(in_place, whole)
    assert tuple(int(w[0]) for w in in_place) == expected


@given(
    st.tuples(*[st.integers(0, ONES)] * 4),
    st.integers(0, 2**64 - 1),
)
def test_philox_forms_agree(counter, key):
    expected = philox4x32(counter, key)
    halves = philox4x32(tuple(np.array([c], dtype=np.uint32) for c in counter), key)
    assert tuple(int(w[0]) for w in halves) == expected
    in_place = [np.array([c], dtype=np.uint64) for c in counter]
    _philox_in_place(in_place, key)
    assert tuple(int(w[0]) for w in in_place) == expected


def test_random_words_are_the_blocks_in_order():
    key = 0x123456789ABCDEF0
    words = random_words(key, 70_001, np.zeros(1))  # more than one part of the loop, and a part of a block
    assert words.dtype == np.uint32
    assert words.shape == (70_001,)
    for i in (0, 1, 2, 3, 4, 65_535, 65_536, 65_540, 70_000):
        assert int(words[i]) == philox4x32((i // 4, 0, 0, 0), key)[i % 4]
    for count in (0, 1, 3, 4, 5):
        assert (random_words(key, count, np.zeros(1)) == words[:count]).all()


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (2, 3, 5, 7), (301, 233)])
def test_masks_are_bit_identical_on_every_library(shape):
    jax = pytest.importorskip("jax")
    key, rate = 2**63 + 5, 0.4
    mask = keep_mask(key, shape, rate, np.zeros(1, np.float32))
    assert mask.dtype == bool
    assert mask.shape == shape
    for xp in (array_api_strict, jax.numpy):
        assert (np.asarray(keep_mask(key, shape, rate, xp.zeros(1))) == mask).all()
    traced = jax.jit(lambda low, high, like: keep_mask((low, high), shape, rate, like))
    words = (jax.numpy.uint32(5), jax.numpy.uint32(2**31))
    assert (np.asarray(traced(*words, jax.numpy.zeros(1))) == mask).all()


def test_keep_mask_follows_the_threshold():
    words = random_words(9, 1000, np.zeros(1))
    assert (keep_mask(9, (10, 100), 0.25, np.zeros(1)) == (words >= 2**30).reshape(10, 100)).all()
    assert keep_mask(9, (1000,), 0.0, np.zeros(1)).all()
    assert abs(keep_mask(9, (100_000,), 0.25, np.zeros(1)).mean() - 0.75) < 0.007  # five standard deviations


def test_derived_keys_differ_and_take_numpy_integers():
    keys = {
        derive_key(seed, stream, step, layer)
        for seed in (0, 1, 2**40)
        for stream in (Stream.INIT, Stream.FORWARD)
        for step in (0, 1, 2**33)
        for layer in (0, 1)
    }
    assert len(keys) == 36
    assert derive_key(np.int64(3), 1, np.int64(2**33 + 7), np.uint8(9)) == derive_key(3, 1, 2**33 + 7, 9)
