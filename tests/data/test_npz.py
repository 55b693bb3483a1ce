import io
import re
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.data import load_binary20d, read_npz
from chainrule.errors import DataError, DTypeError


def npz_bytes(compress=False, **arrays):
    buffer = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def zip_bytes(method=zipfile.ZIP_DEFLATED, **members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy_bytes(shape, descr, payload):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"shape": shape, "fortran_order": False, "descr": descr})
    return buffer.getvalue() + payload


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_come_back(tmp_path, compress):
    rng = np.random.default_rng(0)
    arrays = {
        "a": rng.normal(size=(3, 4)),
        "b": np.asfortranarray(rng.normal(size=(3, 5)).astype(np.float32)),
        "c": np.array(7),
        "d": rng.integers(0, 9, 6).astype(">i4"),
        "e": np.zeros((0, 3)),
        "f": rng.normal(size=4) > 0,
    }
    path = tmp_path / "file.npz"
    path.write_bytes(npz_bytes(compress, **arrays))
    got = read_npz(path, tuple(arrays))
    for key, array in arrays.items():
        assert got[key].dtype == array.dtype.newbyteorder("=")
        assert got[key].dtype.isnative
        assert got[key].flags.writeable
        np.testing.assert_array_equal(got[key], array)


BAD = [
    (b"", "File is not a zip file"),
    (npz_bytes(X=np.zeros(3))[:-5], "readable .npz"),
    (npz_bytes(Y=np.zeros(3), Z=np.zeros(3)), "must hold an array 'X', as keys has it, got Y, Z"),
    (zip_bytes(), "got an empty archive"),
    (npz_bytes(X=np.array([{}], dtype=object)), "must hold numbers, got dtype object"),
    (npz_bytes(X=np.array(["a"])), "must hold numbers"),
    (npz_bytes(X=np.zeros(3, [("a", "f4")])), "must hold numbers"),
    (zip_bytes(X=b"not an array"), "readable .npz"),
    (zip_bytes(X=npy_bytes((10**15,), "<f8", b"")), "must hold 8000000000000000 bytes"),
    (zip_bytes(X=npy_bytes((-1, -3), "<f8", bytes(24))), "(-1, -3)"),
    (zip_bytes(X=npy_bytes((3,), "<f8", bytes(25))), "must hold 24 bytes for (3,) of float64, got 25"),
    (zip_bytes(X=b"\x93NUMPY\x03\x00" + bytes(20)), ".npy version 1.0 or 2.0, got (3, 0)"),
    (zip_bytes(zipfile.ZIP_BZIP2, X=npy_bytes((3,), "<f8", bytes(24))), "must be stored or deflated"),
]


@pytest.mark.parametrize(("content", "text"), BAD, ids=range(len(BAD)))
def test_damaged_archive_gets_a_data_error_naming_it(tmp_path, content, text):
    path = tmp_path / "broken-file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(text)) as caught:
        read_npz(path, ("X",))
    assert "broken-file" in str(caught.value)


def test_limits_and_paths(tmp_path):
    path = tmp_path / "file.npz"
    path.write_bytes(npz_bytes(True, X=np.zeros(100_000)))
    with pytest.raises(DataError, match="at most 1000 bytes"):
        read_npz(path, ("X",), max_bytes=1000)
    with pytest.raises(DataError, match="does not exist"):
        read_npz(tmp_path / "absent", ("X",))
    with pytest.raises(DataError, match="readable"):
        read_npz(tmp_path, ("X",))
    with pytest.raises(DTypeError, match="path must be"):
        read_npz(None, ("X",))


SOUND = [npz_bytes(c, X=np.arange(6.0).reshape(2, 3), y=np.arange(2)) for c in (False, True)]


@given(
    content=st.sampled_from(SOUND),
    flips=st.lists(st.tuples(st.integers(0, 10**4), st.integers(1, 255)), max_size=4),
    cut=st.none() | st.integers(0, 600),
    tail=st.binary(max_size=10),
)
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_archives_give_arrays_or_a_data_error(tmp_path, content, flips, cut, tail):
    mutant = bytearray(content[:cut] + tail)
    for at, bits in flips:
        if mutant:
            mutant[at % len(mutant)] ^= bits
    path = tmp_path / "mutant"
    path.write_bytes(bytes(mutant))
    try:
        arrays = read_npz(path, ("X", "y"))
    except DataError:
        return
    assert arrays["X"].nbytes <= 10_000


def test_binary20d_folder(tmp_path):
    X, y = np.random.default_rng(0).normal(size=(9, 20)), np.arange(9) % 2
    (tmp_path / "data.npz").write_bytes(npz_bytes(X=X, y=y))
    data = load_binary20d(tmp_path)
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.y, y)
    assert data.class_counts().tolist() == [5, 4]
    for bad, text in [
        ({"X": X[:, :19], "y": y}, "X of .* must hold floats"),
        ({"X": X.astype(int), "y": y}, "X of .* must hold floats"),
        ({"X": X, "y": y[:8]}, "y of .* must hold integers"),
        ({"X": X, "y": y * 0.5}, "y of .* must hold integers"),
        ({"X": X, "y": y + 1}, "labels must be from 0 to 1 .* got 2 in row 1"),
        ({"X": X * np.nan, "y": y}, "X must be finite"),
    ]:
        (tmp_path / "data.npz").write_bytes(npz_bytes(**bad))
        with pytest.raises(DataError, match=text):
            load_binary20d(tmp_path)


def test_real_binary20d(data_folder):
    data = load_binary20d(data_folder / "binary20d")
    assert data.X.shape == (1000, 20)
    assert data.X.dtype == np.float64
    assert data.class_counts().tolist() == [460, 540]
    assert data.X.max() == pytest.approx(1.12006, abs=1e-5)


def test_all_arrays_at_once(tmp_path):
    np.savez(tmp_path / "a.npz", b=np.arange(100.0), a=np.eye(2))
    arrays = read_npz(tmp_path / "a.npz")
    assert sorted(arrays) == ["a", "b"]
    with pytest.raises(DataError, match=r"array 'a' .* of at most 150 bytes"):  # what the other array left
        read_npz(tmp_path / "a.npz", max_bytes=950)
    (tmp_path / "b.npz").write_bytes(zip_bytes(**{"a" * 3000: b""}))
    with pytest.raises(DataError, match="names of at most 255 letters, got 3004") as caught:
        read_npz(tmp_path / "b.npz", ["a"])
    assert len(str(caught.value)) < 500
