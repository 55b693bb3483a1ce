"""Pickles are read as plain data: the same values as pickle.loads for data, a DataError for everything else."""

from __future__ import annotations

import os
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data.plain_pickle import parse_plain_pickle, read_plain_pickle
from chainrule.errors import ConfigError, DataError

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=8),
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers(-(2**63), 2**64 - 1)), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(PLAIN, st.sampled_from(range(6)))
def test_plain_data_come_back(value, protocol):
    assert parse_plain_pickle(pickle.dumps(value, protocol), "memory") == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["uint8", "<i4", ">i4", "<f8", ">f4", "bool", "int64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back(protocol, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3).astype(dtype), order=order)
    got = parse_plain_pickle(pickle.dumps({"a": array, "b": [array]}, protocol), "memory")
    for read in (got["a"], got["b"][0]):
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype.newbyteorder("=")
        assert read.flags.writeable


def test_python_2_strings_are_bytes():
    # {'labels': [6, 300], 'name': 'caf\xe9'} as Python 2 writes it
    data = b"\x80\x02}q\x00(U\x06labelsq\x01]q\x02(K\x06M,\x01eU\x04nameq\x03U\x04caf\xe9q\x04u."
    assert parse_plain_pickle(data, "memory") == {b"labels": [6, 300], b"name": b"caf\xe9"}


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("value", [Evil(os.system, "true"), Evil(eval, "1"), Path("x"), {1, 2}, 1j, Evil(print)])
def test_calls_and_objects_are_refused(protocol, value, capsys):
    with pytest.raises(DataError, match=r"photos\.pkl must be a pickle of plain data"):
        parse_plain_pickle(pickle.dumps([value], protocol), "photos.pkl")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "value", [np.array([1, "a", None], dtype=object), np.zeros(2, [("a", "i4")]), np.array(["ab"])]
)
def test_arrays_of_anything_but_numbers_are_refused(value):
    with pytest.raises(DataError, match="plain data"):
        parse_plain_pickle(pickle.dumps(value, 2), "memory")


def test_a_dictionary_kept_as_an_array_comes_back():
    array = np.empty((), dtype=object)
    array[()] = {0: "cat"}
    assert parse_plain_pickle(pickle.dumps(array, 4), "memory") == {0: "cat"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x02K\x03\x86", b"K\x02K\x04\x86"),
        (b"\x89C\x06", b"\x88C\x06"),
        (b"(K\x01", b"(N"),
        (b"u1", b"V8"),
        (b"u1", b"O8"),
    ],
)
def test_arrays_with_another_size_than_declared_are_refused(old, new):
    array = np.zeros((2, 3), np.uint8)
    good = pickle.dumps(array, 3)
    bad = good.replace(old, new)
    assert bad != good
    try:
        got = parse_plain_pickle(bad, "memory")
    except DataError:
        return
    np.testing.assert_array_equal(got, array)  # the change was of no consequence


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02]",
        b"\x80\x02e.",
        b"\x80\x02u.",
        b"\x80\x02a.",
        b"\x80\x02(.",
        b"\x80\x02h\x07.",
        b"\x80\x02K\x01K\x02.",
        b"\x80\x02cnumpy\nndarray\n.",
        b"\x80\x02(K\x01t",
        b"\x80\x02R.",
        b"\x80\x02b.",
        b"\x80\x02]K\x01b.",
        b"\x80\x02q\x00.",
        b"\x80\x02}K\x01K\x02u.",
        b"\x80\x02}(K\x01u.",
        b"\xff\xff\xff",
    ],
)
def test_broken_programs_are_refused(data):
    with pytest.raises(DataError):
        parse_plain_pickle(data, "memory")


@pytest.mark.parametrize("protocol", range(6))
def test_scalars_shared_arrays_and_odd_orders(protocol):
    array = np.arange(24.0).reshape(2, 3, 4)
    odd = [array.T, array.transpose(1, 0, 2), array[::2], array[:, ::-1], np.zeros((0, 3)), np.array(2.5), array]
    got = parse_plain_pickle(pickle.dumps([*odd, array, np.float32(0.5), np.int64(-3), np.bool_(True)], protocol), "m")
    for read, made in zip(got, [*odd, array], strict=False):
        np.testing.assert_array_equal(read, made)
    assert got[6] is got[7]
    assert got[8:] == [0.5, -3, True]


def test_what_python_2_wrote_with_protocol_0():
    # numpy.array([1.5, -2.0]) and (u'caf\xe9', 'it\'s', 12L) as Python 2 with NumPy writes them
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(I2\ntp6\n"
        b"cnumpy\ndtype\np7\n(S'f8'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\n"
        b"S'\\x00\\x00\\x00\\x00\\x00\\x00\\xf8?\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\xc0'\np13\ntp14\nb."
    )
    assert parse_plain_pickle(array, "memory").tolist() == [1.5, -2.0]
    text = b'(Vcaf\\u00e9\np0\nS"it\'s"\np1\nL12L\nF1.5\nI01\nNtp2\n.'
    assert parse_plain_pickle(text, "memory") == ("café", b"it's", 12, 1.5, True, None)
    assert parse_plain_pickle(b"(lp0\n(dp1\nS'a\\n\\\\'\nI5\nsa.", "memory") == [{b"a\n\\": 5}]


@pytest.mark.parametrize(
    "line",
    [b"Sno quotes\n.", b"S'open\n.", b"S'\\q'\n.", b"S'\\x4'\n.", b"S'a'", b"S'\\'\n.", b"S\n.", b"Iten\n.", b"Lx\n."],
)
def test_damaged_text_instructions(line):
    with pytest.raises(DataError, match="plain data"):
        parse_plain_pickle(line, "memory")


def shared(levels):
    """A list that holds the next one twice, and so on: small in the file, vast when written out."""
    data = b"]q\x00"
    for level in range(levels):
        data += b"]q%c(h%ch%ce" % (level + 1, level, level)
    return data + b"."


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"]q\x00h\x00a.", "a container that holds itself"),
        (b"}q\x00K\x01h\x00s.", "a container that holds itself"),
        (b"]q\x00(h\x00ta.", "a container that holds itself"),
        (b"]" * 200 + b"a" * 199 + b".", "containers in one another"),
        (b"]" * 100_000 + b"a" * 99_999 + b".", "containers in one another"),
        (b"}" + b"\x8a\x09" + b"\xff" * 8 + b"\x7f" + b"Ns.", "a key of more than 64 bits"),
    ],
)
def test_what_would_grow_or_never_end_is_refused(data, words):
    with pytest.raises(DataError, match=words):
        parse_plain_pickle(data, "memory")


def test_shared_parts():
    # every list is left below the next, so the last is made a tuple with the others: only the depth of sharing counts
    small, vast = shared(5), shared(40)
    assert len(vast) < 500
    for data, fits in ((small, True), (vast, False)):
        levels = 5 if fits else 40
        program = b"(" + data[:-1] + b"t."
        if fits:
            assert len(parse_plain_pickle(program, "memory")) == levels + 1
        else:
            with pytest.raises(DataError, match="items"):
                parse_plain_pickle(program, "memory")


def test_one_string_copied_again_and_again_is_refused():
    big = bytes(1 << 20)
    array = pickle.dumps(np.frombuffer(big, np.uint8), 3)
    body = array[2:-1]
    start = body.index(b"B" + len(big).to_bytes(4, "little"))
    slot = body[start + 5 + len(big) :]
    assert slot.startswith(b"q")  # the bytes are put into the memo
    again = body[:start] + b"h" + slot[1:2] + slot[2:]
    program = b"(" + body + again * 200 + b"t."
    with pytest.raises(DataError, match="again and again"):
        parse_plain_pickle(program, "memory")
    assert len(parse_plain_pickle(b"(" + body + again + b"t.", "memory")) == 2


def test_long_names_do_not_fill_the_message():
    with pytest.raises(DataError) as caught:
        parse_plain_pickle(b"c" + b"m" * 100_000 + b"\nx\n.", "memory")
    assert len(str(caught.value)) < 500


def test_mutants_give_data_or_one_error():
    rng = np.random.default_rng(0)
    value = {b"data": np.arange(12, dtype=np.uint8).reshape(2, 6), b"labels": [3, 1], b"names": ["a", "b"]}
    for protocol in (2, 4):
        good = bytearray(pickle.dumps(value, protocol))
        for _ in range(3000):
            bad = bytearray(good)
            for _ in range(rng.integers(1, 4)):
                bad[rng.integers(len(bad))] = rng.integers(256)
            data = bytes(bad[: rng.integers(len(bad)) + 1]) if rng.random() < 0.2 else bytes(bad)
            try:
                got = parse_plain_pickle(data, "memory")
            except DataError:
                continue
            assert not isinstance(got, type)
            pickle.dumps(got)  # nothing but data


def test_every_instruction_that_is_known_is_a_real_one():
    from chainrule.data import plain_pickle

    names = {opcode.name for opcode in pickletools.opcodes}
    assert set(plain_pickle._PUSHED) | set(plain_pickle._MADE) | plain_pickle._IGNORED <= names


def test_files(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_plain_pickle(tmp_path / "none")
    with pytest.raises(DataError, match="readable"):
        read_plain_pickle(tmp_path)
    (tmp_path / "a").write_bytes(pickle.dumps([1]))
    assert read_plain_pickle(tmp_path / "a") == [1]
    with pytest.raises(DataError, match="at most 3 bytes"):
        read_plain_pickle(tmp_path / "a", max_bytes=3)
    with pytest.raises(ConfigError, match="max_bytes"):
        read_plain_pickle(tmp_path / "a", max_bytes=0)
