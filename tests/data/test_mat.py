"""MATLAB files: what SciPy writes is read as SciPy reads it; damaged, foreign and hostile ones are named."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.data.mat import parse_mat, read_mat
from chainrule.errors import ConfigError, DataError, DTypeError

DTYPES = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
OTHERS = {
    "text": ("hello", "text"),
    "cell": (np.array([1, "a"], dtype=object), "a cell array"),
    "record": ({"a": 1}, "a structure"),
    "complex": (np.array([[1 + 2j]]), "an array of complex numbers"),
}


def saved(arrays, compressed=False):
    out = io.BytesIO()
    scipy.io.savemat(out, arrays, do_compression=compressed)
    return out.getvalue()


def element(kind, content, order="<"):
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(*, class_=6, flags=0, shape=(2, 2), name=b"A", stored=9, content=None, order="<", packed=False):
    content = np.arange(4, dtype=f"{order}f8").tobytes() if content is None else content
    parts = element(6, struct.pack(f"{order}II", class_ | flags, 0), order)
    parts += element(5, struct.pack(f"{order}{len(shape)}i", *shape), order) + element(1, name, order)
    made = element(14, parts + element(stored, content, order), order)
    if packed:
        inside = zlib.compress(made)
        made = struct.pack(f"{order}II", 15, len(inside)) + inside
    return made


def whole(*elements, order="<", version=0x0100, text=b"MATLAB 5.0"):
    return text.ljust(124) + struct.pack(f"{order}H", version) + (b"IM" if order == "<" else b"MI") + b"".join(elements)


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=4))
    ),
    st.booleans(),
)
def test_what_scipy_writes(array, compressed):
    data = saved({"A": array, "another": np.array([[1.5]])}, compressed)
    expected = scipy.io.loadmat(io.BytesIO(data), mat_dtype=True)
    got = parse_mat(data, "memory")
    assert set(got) == {"A", "another"}
    np.testing.assert_array_equal(got["A"], expected["A"])
    assert got["A"].dtype == array.dtype.newbyteorder("=")
    assert got["A"].flags.writeable


@pytest.mark.parametrize("compressed", [False, True])
def test_truth_values_vectors_and_large_arrays(compressed):
    large = np.random.default_rng(0).normal(size=(300, 70))
    data = saved({"large": large, "truth": np.array([[True, False]]), "v": np.arange(3)}, compressed)
    got = parse_mat(data, "memory")
    np.testing.assert_array_equal(got["large"], large)
    assert got["truth"].dtype == bool
    assert got["truth"].tolist() == [[True, False]]
    assert got["v"].shape == (1, 3)


def test_a_limit_above_the_file_takes_no_memory(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(saved({"A": np.eye(2)}))
    assert read_mat(path, max_bytes=1 << 50)["A"].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("packed", [False, True])
def test_big_endian(packed):
    data = whole(matrix(order=">", packed=packed), order=">")
    np.testing.assert_array_equal(parse_mat(data, "memory")["A"], [[0, 2], [1, 3]])
    if not packed:
        np.testing.assert_array_equal(scipy.io.loadmat(io.BytesIO(data))["A"], [[0, 2], [1, 3]])


def test_numbers_stored_in_a_smaller_type_become_what_matlab_shows():
    data = whole(matrix(stored=2, content=bytes([1, 2, 3, 255])))
    assert parse_mat(data, "memory")["A"].dtype == np.float64
    assert parse_mat(data, "memory")["A"].tolist() == [[1, 3], [2, 255]]


def test_what_is_no_array_of_numbers_is_passed_over_or_named():
    data = saved({"A": np.ones((1, 2)), **{name: value for name, (value, _) in OTHERS.items()}})
    assert set(parse_mat(data, "memory")) == {"A"}
    for name, (_, words) in OTHERS.items():
        with pytest.raises(DataError, match=f"{words} in '{name}'"):
            parse_mat(data, "memory", [name])
    with pytest.raises(DataError, match="no 'B', only A, cell"):
        parse_mat(data, "memory", ["B"])
    assert set(parse_mat(data, "memory", ["A"])) == {"A"}
    sparse = saved({"S": scipy.sparse.csc_matrix(np.eye(3))})
    with pytest.raises(DataError, match="a sparse matrix in 'S'"):
        parse_mat(sparse, "memory", ["S"])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "only 0 bytes"),
        (b"x" * 127, "only 127 bytes"),
        (b"\x89HDF\r\n" + bytes(200), "7.3"),
        (whole(text=b"MATLAB 7.3 MAT-file", version=0x0200), "7.3"),
        (struct.pack("<5i", 0, 1, 1, 0, 2) + b"a" * 200, "version 4"),
        (b"x" * 128, "order of bytes"),
        (whole(version=0x0300), "version 0003"),
        (whole(b"\0\0\0"), "inside of an element's tag"),
        (whole(struct.pack("<II", 14, 100)), "100 bytes with 0 left"),
        (whole(struct.pack("<HH", 1, 5) + b"abcd"), "small element of 5"),
        (whole(element(9, bytes(8))), "type 9 rather than a matrix"),
        (whole(element(14, b"")), "without its flags"),
        (whole(element(14, element(6, bytes([6]) + bytes(7)))), "without its axes"),
        (whole(matrix(shape=(4,))), "without its axes"),
        (whole(matrix(shape=(-2, 2))), "axes -2 x 2"),
        (whole(matrix(shape=(2**31 - 1,) * 4)), "axes 2147483647"),
        (whole(matrix(shape=(2, 3))), "32 bytes for 2 x 3 of float64"),
        (whole(matrix(name=b"\xff\xff")), "the name"),
        (whole(matrix(name=b"a" * 2000)), "without its name"),
        (whole(matrix(stored=16)), "numbers of type 16"),
        (whole(matrix(class_=9)), "no uint8"),
        (whole(matrix(class_=8, stored=2, content=bytes([1, 2, 3, 200]))), "no int8"),
        (whole(matrix(class_=7)), "no float32"),
        (whole(matrix(), matrix()), "'A' twice"),
        (whole(matrix(packed=True)[:-6]), "bytes with"),
        (whole(struct.pack("<II", 15, 8) + bytes(8)), "Error -3"),
        (whole(struct.pack("<II", 15, 8) + zlib.compress(b"")), "without content"),
        (whole(matrix(shape=(50000, 20000), packed=True)), "elements of 'A' in|arrays of"),
    ],
)
def test_damage_is_named(data, words):
    with pytest.raises(DataError, match=words) as caught:
        parse_mat(data, "digits.mat")
    assert "digits.mat must be a .mat file of version 5" in str(caught.value)


@pytest.mark.parametrize("change", [lambda packed: packed[:-4], lambda packed: packed[:-1] + bytes([packed[-1] ^ 1])])
def test_the_sum_of_a_packed_matrix_is_compared(change):
    packed = change(zlib.compress(matrix()))
    with pytest.raises(DataError, match=r"another number|incorrect data check"):
        parse_mat(whole(struct.pack("<II", 15, len(packed)) + packed), "memory")


def test_a_packed_bomb_is_not_unpacked():
    body = matrix(shape=(2, 2))
    inside = zlib.compress(body + bytes(50 << 20))
    data = whole(struct.pack("<II", 15, len(inside)) + inside)
    with pytest.raises(DataError, match="declared in the compressed 'A'"):
        parse_mat(data, "memory")
    flat = zlib.compress(matrix(shape=(4000, 4000), stored=2, content=bytes(16_000_000)))
    with pytest.raises(DataError, match="arrays of 128000000 bytes, more than 1000000"):
        parse_mat(whole(struct.pack("<II", 15, len(flat)) + flat), "memory", max_bytes=1_000_000)


def test_files(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_mat(tmp_path / "none.mat")
    with pytest.raises(DataError, match="readable"):
        read_mat(tmp_path)
    (tmp_path / "a.mat").write_bytes(saved({"A": np.eye(2)}))
    assert read_mat(tmp_path / "a.mat")["A"].tolist() == [[1, 0], [0, 1]]
    with pytest.raises(DataError, match="at most 5 bytes"):
        read_mat(tmp_path / "a.mat", max_bytes=5)
    with pytest.raises(ConfigError, match="max_bytes"):
        read_mat(tmp_path / "a.mat", max_bytes=0)
    with pytest.raises(DTypeError, match="keys must be a"):
        read_mat(tmp_path / "a.mat", "A")
    with pytest.raises(DTypeError, match="path"):
        read_mat(3)
