"""The few array helpers every layer shares.

Layer code is written against the Python array API standard, so the same file runs on NumPy (to be read and
checked) and under other array libraries (to be compiled). Randomness is counter-based: a mask is a pure function
of an integer key, so repeating a forward pass draws the same mask on every engine and for any number of threads.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any  # any array that follows the array API standard
Shape: TypeAlias = tuple[int, ...]


def namespace(x: Array) -> Any:
    """The array library that `x` belongs to (`numpy`, `jax.numpy`, ...)."""
    return np if type(x) is np.ndarray else x.__array_namespace__()


def one_hot(labels: Array, classes: int, like: Array) -> Array:
    """Rows of zeros with a one at each label.

    labels: (N,) integers in [0, classes). Returns (N, classes) in the dtype and library of `like`.
    """
    xp = namespace(like)
    return xp.astype(labels[:, None] == xp.arange(classes)[None, :], like.dtype)


# Philox4x32-10: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85


def philox4x32(counter: tuple[Array, Array, Array, Array], key: int, xp: Any = np) -> tuple[Array, ...]:
    """Ten rounds of Philox4x32 over four uint64 arrays that hold 32-bit words; `key` has 64 bits.

    A bijection of 128-bit counters for each key, whose output passes BigCrush; needs no state.
    """
    c0, c1, c2, c3 = counter
    low = 0xFFFFFFFF
    k0, k1 = key & low, (key >> 32) & low
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1  # 32 x 32 -> 64 bits
        c0, c1 = (p1 >> 32) ^ c1 ^ k0, p1 & low
        c2, c3 = (p0 >> 32) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + _W0) & low, (k1 + _W1) & low
    return c0, c1, c2, c3


def derive_key(seed: int, stream: int, step: int = 0, layer: int = 0) -> int:
    """A 64-bit key for one purpose: the same four numbers always give the same key.

    `stream` separates uses (see `Stream`), `step` is the training step, `layer` the index of a layer or tensor.
    """
    mask = 0xFFFFFFFF
    words = philox4x32((step & mask, (step >> 32) & mask, layer & mask, stream & mask), seed & (2**64 - 1))
    return int(words[0]) | int(words[1]) << 32


class Stream:
    """What a derived key is used for; two uses never share random numbers."""

    INIT = 1
    FORWARD = 2  # dropout and other noise inside layers
    BATCHES = 3
    SPLIT = 4
    SUBSET = 5  # the training subset on which accuracy is measured
    AUGMENT = 6


def random_words(key: int, count: int, like: Array) -> Array:
    """`count` uniform 32-bit words (as uint64) from the Philox stream of `key`, in the library of `like`.

    Word i is word i mod 4 of the block with counter i div 4, so any part can be drawn alone, by any thread.
    """
    xp = namespace(like)
    block = xp.arange((count + 3) // 4, dtype=xp.uint64)
    zero = xp.zeros_like(block)
    words = xp.stack(philox4x32((block & 0xFFFFFFFF, block >> 32, zero, zero), key, xp), axis=1)
    return xp.reshape(words, (-1,))[:count]


def keep_mask(key: int, shape: Shape, rate: float, like: Array) -> Array:
    """A boolean mask of `shape`, each entry False with probability `rate`, drawn from `key` in C order."""
    xp = namespace(like)
    count = 1
    for n in shape:
        count *= n
    threshold = min(round(rate * 2**32), 2**32 - 1)
    return xp.reshape(random_words(key, count, like) >= threshold, shape)


def generator(seed: int, stream: int, step: int = 0, layer: int = 0) -> np.random.Generator:
    """A NumPy generator for work on the host (initial weights, shuffles), keyed like everything else."""
    return np.random.Generator(np.random.Philox(key=derive_key(seed, stream, step, layer)))
