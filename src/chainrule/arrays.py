"""The few array helpers every layer shares.

Layer code is written against the Python array API standard, so the same file runs on NumPy (to be read and
checked) and under other array libraries (to be compiled). Randomness is counter-based: a mask is a pure function
of an integer key, so repeating a forward pass draws the same mask on every engine and for any number of threads.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import DTypeError, describe

Array: TypeAlias = Any  # any array that follows the array API standard
Shape: TypeAlias = tuple[int, ...]


def namespace(x: Array) -> Any:
    """The array library that `x` belongs to (`numpy`, `jax.numpy`, ...)."""
    return np if type(x) is np.ndarray else x.__array_namespace__()


def round_to_bfloat16(x: Array) -> Array:
    """Each number rounded to the nearest bfloat16 (8 bits of significand, ties to even), in the dtype of `x`.

    >>> round_to_bfloat16(np.array([1.0, 1.00390625, 1.01171875, 3.1])).tolist()
    [1.0, 1.0, 1.015625, 3.09375]
    """
    if type(x) is not np.ndarray:
        xp = namespace(x)
        return xp.astype(xp.astype(x, xp.bfloat16), x.dtype)
    bits = x.astype(np.float32).view(np.uint32)
    near = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), x, near.view(np.float32)).astype(x.dtype)


def one_hot(labels: Array, classes: int, like: Array) -> Array:
    """Rows of zeros with a one at each label.

    labels: (N,) integers in [0, classes). Returns (N, classes) in the dtype and library of `like`.
    """
    xp = namespace(like)
    return xp.astype(labels[:, None] == xp.arange(classes)[None, :], like.dtype)


def positive(x: Array) -> Array:
    """[x > 0]: 1 where x is positive, else 0, in the dtype of `x`.

    Multiplying with it takes a fifth of the time of `where` when signs are random, which no processor can predict.
    """
    return namespace(x).astype(x > 0, x.dtype)


def along_channels(v: Array, x: Array) -> Array:
    """`v` (C,) shaped so that it broadcasts along axis 1 of `x` (N, C, ...)."""
    return namespace(v).reshape(v, (-1,) + (1,) * (len(x.shape) - 2))


def sum_to_channels(x: Array) -> Array:
    """The sum of `x` (N, C, ...) over every axis but the channels': (C,)."""
    return namespace(x).sum(x, axis=(0, *range(2, len(x.shape))))


# -- functions that the array API lacks -----------------------------------------------------------------------------

# (1 + 2z) exp(z²) erfc(z) as a polynomial in (z − K)/(z + K), highest power first: Shepherd & Laframboise, "Chebyshev
# approximation of (1 + 2x) exp(x²) erfc x in 0 ≤ x < ∞", Mathematics of Computation 36, 1981. The truncated Chebyshev
# series (errors 9e-17 and 2e-9) are written in powers, which loses nothing: no coefficient exceeds 1.3.
_ERFC_K = 2.5
# fmt: off
_ERFC_DOUBLE = (
    -1.3684070995217539e-09, -1.4759816086462547e-09, 1.1903099290545922e-08, 1.928916211860086e-08,
    -4.304925430265938e-08, -1.250612981958526e-07, 3.4821591847815385e-08, 5.323857055177547e-07,
    5.270042406441144e-07, -1.5844422539027936e-06, -4.218714353172795e-06, 2.6086713496937893e-06,
    2.2700321802206237e-05, 6.266010784972976e-06, -0.00011352263330159166, -8.847920687669829e-05,
    0.0006321243999471835, 0.0004918658041021489, -0.004382078347539035, 0.0009318928184352962,
    0.03276089326912973, -0.10296705603863399, 0.15762991902320475, -0.09902453957360054,
    -0.12235676308240419, 1.2648381843668615,
)
_ERFC_SINGLE = (
    -6.190753097048105e-05, -6.391786604416434e-05, 0.0005757346293414969, 0.00046333752059866723,
    -0.004350492340489629, 0.000946759630325494, 0.03275205256865231, -0.10297053835625594,
    0.157630994361539, -0.0990242416580846, -0.12235680075158781, 1.2648381802377981,
)
# fmt: on


def erf(x: Array) -> Array:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt, to 5e-16 (float32: 3e-7) absolute, keeping the dtype of `x`.

    Works on every array library and on complex numbers near the real axis, so it can be differentiated numerically.

    >>> round(float(erf(np.array(1.0))), 15)
    0.842700792949715
    """
    return (1 - _erfc_of_magnitude(x)) * (1 - 2 * positive(-x))


def erfc(x: Array) -> Array:
    """1 − erf x, which keeps its relative accuracy where erf x is close to 1.

    >>> print(f"{erfc(np.array(10.0)):.12e}")
    2.088487583763e-45
    """
    negative = positive(-x)
    return 2 * negative + (1 - 2 * negative) * _erfc_of_magnitude(x)  # 2 − erfc |x| where x < 0, else erfc |x|


def _erfc_of_magnitude(x: Array) -> Array:
    xp = namespace(x)
    z = xp.minimum(xp.maximum(x, -x), 30.0)  # |x|, also for a complex step; exp(−30²) is 0 in float64, and z² finite
    t = (z - _ERFC_K) / (z + _ERFC_K)
    first, second, *rest = _ERFC_SINGLE if xp.finfo(x.dtype).eps > 1e-10 else _ERFC_DOUBLE
    p = t * first + second
    for coefficient in rest:  # Horner; p is ours, so it may change in place
        p *= t
        p += coefficient
    return xp.exp(-z * z) * p / (2 * z + 1)


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(−x)) without overflow, relatively accurate in both tails.

    >>> [f"{v:.4g}" for v in sigmoid(np.array([-50.0, 0.0, 1e4]))]
    ['1.929e-22', '0.5', '1']
    """
    xp = namespace(x)
    # Up to here exp is finite and its reciprocal a normal number, so nothing overflows or slows down.
    limit = math.log(min(float(xp.finfo(x.dtype).max), sys.float_info.max)) - 2
    e = xp.exp(xp.minimum(-x, limit))
    e += 1
    return 1 / e


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(−|x|)) without overflow, relatively accurate in the lower tail.

    >>> [f"{v:.4g}" for v in softplus(np.array([-50.0, 0.0, 1e4]))]
    ['1.929e-22', '0.6931', '1e+04']
    """
    xp = namespace(x)
    e = xp.exp(xp.minimum(x, -x))
    u = 1 + e
    # log1p e: the second term gives back what rounding 1 + e lost. Many times as fast as NumPy's own log1p.
    return xp.maximum(x, 0.0) + (xp.log(u) + (e - (u - 1)) / u)


def expm1_of_negative(x: Array) -> Array:
    """exp(x) − 1 for x <= 0, relatively accurate near 0: 2t/(1 − t) with t = tanh(x/2).

    Three times as fast as NumPy's expm1.

    >>> [f"{v:.4g}" for v in expm1_of_negative(np.array([-1e4, -1e-20, 0.0]))]
    ['-1', '-1e-20', '0']
    """
    t = namespace(x).tanh(0.5 * x)
    return 2 * t / (1 - t)


# -- counter-based random numbers -----------------------------------------------------------------------------------

# Philox4x32-10: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW = 0xFFFFFFFF

Key: TypeAlias = "int | tuple[Array, Array]"  # 64 bits, or its low and high word as uint32 scalars of a tracing library


def philox4x32(counter: tuple[Any, Any, Any, Any], key: Key) -> tuple[Any, ...]:
    """Ten rounds of Philox4x32 over four 32-bit words: Python integers, or uint32 arrays of any library.

    A bijection of 128-bit counters for each key, whose output passes BigCrush; needs no state. Of wide integers it
    needs none either, so it runs where 64-bit ones are switched off.

    >>> [f"{word:08x}" for word in philox4x32((0, 0, 0, 0), 0)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key if isinstance(key, tuple) else _key_words(key)
    for _ in range(10):
        (high0, low0), (high1, low1) = _wide_product(c0, _M0), _wide_product(c2, _M1)
        c0, c1 = high1 ^ c1 ^ _word(k0, c0), low1
        c2, c3 = high0 ^ c3 ^ _word(k1, c0), low0
        k0, k1 = _next_key(k0, _W0), _next_key(k1, _W1)
    return c0, c1, c2, c3


def _key_words(key: int) -> tuple[int, int]:
    key = operator.index(key)  # a NumPy integer would overflow below
    return key & _LOW, (key >> 32) & _LOW


def _word(value: Any, like: Any) -> Any:
    return value if isinstance(like, int) else namespace(like).asarray(value, dtype=like.dtype)


def _next_key(k: Any, weyl: int) -> Any:
    return (k + weyl) & _LOW if isinstance(k, int) else k + _word(weyl, k)  # uint32 wraps by itself


def _wide_product(a: Any, m: int) -> tuple[Any, Any]:
    """The high and the low word of a · m (32 × 32 → 64 bits)."""
    if isinstance(a, int):
        return (a * m) >> 32, (a * m) & _LOW
    # Schoolbook multiplication in halves of 16 bits; no partial result leaves 32 bits.
    a_high, a_low, m_high, m_low = a >> 16, a & 0xFFFF, m >> 16, m & 0xFFFF
    low, cross, other = a_low * m_low, a_low * m_high, a_high * m_low
    middle = (low >> 16) + (cross & 0xFFFF) + (other & 0xFFFF)
    high = a_high * m_high + (cross >> 16) + (other >> 16) + (middle >> 16)
    return high, (low & 0xFFFF) | (middle << 16)


def _philox_in_place(words: list[np.ndarray], key: int) -> None:
    """`philox4x32` over four uint64 arrays that hold 32-bit words, four times as fast; overwrites `words`."""
    c0, c1, c2, c3 = words
    p0, p1 = np.empty_like(c0), np.empty_like(c0)
    k0, k1 = _key_words(key)
    for _ in range(10):
        np.multiply(c0, _M0, out=p0)
        np.multiply(c2, _M1, out=p1)
        np.right_shift(p1, 32, out=c0)
        np.right_shift(p0, 32, out=c2)
        c1 ^= k0
        c3 ^= k1
        c0 ^= c1
        c2 ^= c3
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW


def _blocks(key: int, count: int) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """The four words of blocks 0 ... count − 1 under NumPy, in parts that fit the cache."""
    part = 1 << 14
    for start in range(0, count, part):
        stop = min(start + part, count)
        block = np.arange(start, stop, dtype=np.uint64)
        words = [block & np.uint64(_LOW), block >> np.uint64(32), np.zeros_like(block), np.zeros_like(block)]
        _philox_in_place(words, key)
        yield slice(start, stop), words


def derive_key(seed: int, stream: int, step: int = 0, layer: int = 0) -> int:
    """A 64-bit key for one purpose: the same four numbers always give the same key.

    `stream` separates uses (see `Stream`), `step` is the training step, `layer` the index of a layer or tensor.
    """
    step, layer, stream = operator.index(step), operator.index(layer), operator.index(stream)
    words = philox4x32((step & _LOW, (step >> 32) & _LOW, layer & _LOW, stream & _LOW), seed)
    return int(words[0]) | int(words[1]) << 32


class Stream:
    """What a derived key is used for; two uses never share random numbers."""

    INIT = 1
    FORWARD = 2  # dropout and other noise inside layers
    BATCHES = 3
    SPLIT = 4
    SUBSET = 5  # the training subset on which accuracy is measured
    AUGMENT = 6
    BOOTSTRAP = 7
    SEARCH = 7  # the values that the trials of a search have


def random_words(key: Key, count: int, like: Array) -> Array:
    """`count` uniform 32-bit words (uint32) from the Philox stream of `key`, in the library of `like`.

    Word i is word i mod 4 of the block with counter i div 4, so any part can be drawn alone, by any thread.
    """
    xp = namespace(like)
    blocks = (count + 3) // 4
    if xp is np and not isinstance(key, tuple):
        words = np.empty((blocks, 4), dtype=np.uint32)
        for part, lanes in _blocks(key, blocks):
            for i, lane in enumerate(lanes):
                words[part, i] = lane
    else:
        block = xp.arange(blocks, dtype=xp.uint32)
        zero = xp.zeros_like(block)
        words = xp.stack(philox4x32((block, zero, zero, zero), key), axis=1)
    return xp.reshape(words, (-1,))[:count]


def words_at(key: int, counters: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The four words of the Philox block at each of the `counters` (four arrays of words, of one shape), NumPy only.

    Where `random_words` runs along one stream, this looks up blocks anywhere: one for each row of a data set, say.

    >>> zero = np.zeros(1, np.uint32)
    >>> [f"{word[0]:08x}" for word in words_at(0, (zero, zero, zero, zero))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    words = [counter.astype(np.uint64) for counter in counters]
    _philox_in_place(words, key)
    return tuple(word.astype(np.uint32) for word in words)


def keep_mask(key: Key, shape: Shape, rate: float, like: Array) -> Array:
    """A boolean mask of `shape`, each entry False with probability `rate`, drawn from `key` in C order."""
    if not isinstance(key, tuple) and not hasattr(key, "__index__"):
        raise DTypeError(f"key must be an integer, such as derive_key gives, got {describe(key)}")
    xp = namespace(like)
    threshold = min(round(rate * 2**32), _LOW)
    words = random_words(key, math.prod(shape), like)
    return xp.reshape(words >= xp.asarray(threshold, dtype=xp.uint32), shape)


def generator(seed: int, stream: int, step: int = 0, layer: int = 0) -> np.random.Generator:
    """A NumPy generator for work on the host (initial weights, shuffles), keyed like everything else."""
    return np.random.Generator(np.random.Philox(key=derive_key(seed, stream, step, layer)))
