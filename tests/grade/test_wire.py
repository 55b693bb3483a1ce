"""Messages of the limited process: what goes in comes out, and nothing that is damaged does more than raise."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule.grade.inside.wire import MAGIC, Foreign, WireError, decode, encode

PLAIN = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False) | st.text()
DTYPES = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.int8, np.uint8, np.bool_, ">f8", ">i4"])
ARRAYS = arrays(DTYPES, st.lists(st.integers(0, 3), max_size=4).map(tuple))
VALUES = st.recursive(PLAIN | ARRAYS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3))


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(VALUES)
def test_round_trip(value):
    assert same(value, decode(encode(value)))


@given(VALUES, st.data())
def test_damage_raises_one_error(value, data):
    message = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        decode(bytes(message[: data.draw(st.integers(0, len(message)))]))


def framed(tree: bytes, rest: bytes = b"") -> bytes:
    return MAGIC + len(tree).to_bytes(4, "little") + tree + rest


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x80\x04K\x01.",  # a pickle
        framed(b"[" * 100_000),
        framed(b'{"a": ["O8", [1]]}', b"\0" * 8),
        framed(b'{"a": ["f8", [2]]}', b"\0" * 8),
        framed(b'{"a": ["f8", [1]]}', b"\0" * 9),
        framed(b'{"a": ["f8", [-1]]}'),
        framed(b'{"a": ["f8", [1099511627776, 1099511627776]]}'),
        framed(b'{"a": ["f8", [true]]}', b"\0" * 8),
        framed(b'{"x": 1}'),
        framed(b'{"d": [[1, 2]]}'),
        framed(b"1" * 5000),
        framed(str(2**70).encode()),
        framed(b"[" + b"1," * 30_000 + b"1]"),
    ],
)
def test_refused(message):
    with pytest.raises(WireError):
        decode(message)


def test_what_cannot_be_sent_goes_as_a_description():
    loop: list = []
    loop.append(loop)
    found = decode(encode({"o": object(), "c": np.zeros(2, complex), "x": np.array([object()]), "l": loop, "i": 2**70}))
    assert all(isinstance(found[key], Foreign) for key in "ocxi")
    assert "complex128" in repr(found["c"])


def test_bytes_of_a_bool_array_are_bools():
    message = encode(np.array([True, False]))
    assert decode(message[:-2] + b"\x07\x00").tolist() == [True, False]


def test_subclasses_do_not_come_back():
    class Everything(np.ndarray):
        def __eq__(self, other):
            return True

    assert type(decode(encode(np.zeros(3).view(Everything)))) is np.ndarray
