import gzip
import math
import re
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.data import load_mnist, read_idx
from chainrule.errors import ChainruleError, ConfigError, DataError, DTypeError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    header = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def header(code, *lengths):
    return bytes([0, 0, code, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 3, 1, 4)])
def test_every_type_and_rank_comes_back(tmp_path, code, shape, packed):
    rng = np.random.default_rng(1)
    array = np.frombuffer(rng.bytes(math.prod(shape) * 8), "i8").astype(np.float64) / 1e10
    array = (array if code[0] == "f" else array % 251).astype(code).reshape(shape)
    path = tmp_path / "file"  # no suffix: gzip is seen from the bytes
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    got = read_idx(path)
    assert got.dtype == array.dtype
    assert got.dtype.isnative
    assert got.flags.writeable
    np.testing.assert_array_equal(got, array)


GOOD = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
BAD = [
    (b"", "got b''"),
    (b"\0\0\x08", "must start with two zero bytes"),
    (b"\0\1\x08\1" + GOOD[4:], "must start with two zero bytes"),
    (b"\0\0\x0a\2" + GOOD[4:], "one of the types 08, 09, 0B, 0C, 0D, 0E in byte 2, got 0A"),
    (b"\0\0\x08\0", "1 to 32 axes, got 0"),
    (b"\0\0\x08\x40" + bytes(256), "1 to 32 axes, got 64"),
    (GOOD[:9], "8 bytes of axis lengths, got 5"),
    (header(0x08, 3, 0), "axes of length >= 1, got 3 x 0"),
    (GOOD[:-1], "12 header + 12 element bytes (3 x 4 of uint8), got 23 bytes"),
    (GOOD + b"\0", "got 25 bytes"),
    (gzip.compress(GOOD[:-1]), "got only 23 bytes"),
    (gzip.compress(GOOD + b"\0"), "got more"),
    (gzip.compress(GOOD)[:-3], "readable idx file, plain or gzip, got: Compressed file ended"),
    (gzip.compress(GOOD)[:-8] + bytes(8), "CRC check failed"),
    (gzip.compress(GOOD) + b"junk", "Not a gzipped file"),
    (b"\x1f\x8b", "readable idx file"),
    (gzip.compress(b""), "must start with two zero bytes"),
    (header(0x0E, *[2**32 - 1] * 32), "at most 2147483648 bytes of elements"),
    (header(0x0E, 2**27), "got 8 bytes"),
    (gzip.compress(header(0x0E, 2**27)), "a file too small for it"),
    (b"PK\3\4" + bytes(30), "must start with two zero bytes"),
]


@pytest.mark.parametrize(("content", "text"), BAD, ids=range(len(BAD)))
def test_damaged_file_gets_a_data_error_naming_it(tmp_path, content, text):
    path = tmp_path / "broken-file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(text)) as caught:
        read_idx(path)
    assert "broken-file" in str(caught.value)


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_idx(tmp_path / "absent")
    with pytest.raises(DataError, match="readable idx file"):
        read_idx(tmp_path)
    for path in (None, 3, "a\0b"):
        with pytest.raises(DTypeError, match="path must be"):
            read_idx(path)


def test_limit_is_the_callers(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(GOOD)
    assert read_idx(path, max_bytes=12).size == 12
    with pytest.raises(DataError, match="at most 11 bytes of elements"):
        read_idx(path, max_bytes=11)
    with pytest.raises(ConfigError, match="max_bytes"):
        read_idx(path, max_bytes=0)


def test_bomb_stops_at_the_declared_size(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(0x08, 10) + bytes(50_000_000)))
    tracemalloc.start()
    with pytest.raises(DataError, match="got more"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@st.composite
def mutations(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    code = draw(st.sampled_from(list(CODES)))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    size = math.prod(shape) * np.dtype(code).itemsize
    content = bytearray(idx_bytes(np.frombuffer(rng.bytes(size), code).reshape(shape)))
    packed = draw(st.booleans())
    if packed and draw(st.booleans()):  # damage inside a sound gzip file, or the gzip file itself
        content = bytearray(gzip.compress(bytes(_damage(draw, content))))
    else:
        content = _damage(draw, bytearray(gzip.compress(bytes(content))) if packed else content)
    return bytes(content)


def _damage(draw, content):
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(min(len(content) - 1, 40), 0)) | st.integers(0, max(len(content) - 1, 0)))
        match draw(st.sampled_from(["flip", "cut", "extend", "delete"])):
            case "flip" if content:
                content[at] ^= draw(st.integers(1, 255))
            case "cut":
                del content[at:]
            case "extend":
                content += draw(st.binary(min_size=1, max_size=20))
            case _:
                del content[at : at + 1]
    return content


@given(content=mutations())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_files_give_an_array_or_a_data_error(tmp_path, content):
    path = tmp_path / "mutant"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        array = read_idx(path)
    except DataError:
        pass
    else:
        assert array.size >= 1
        assert array.nbytes <= len(content) * 1032
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 5_000_000


# -- MNIST -----------------------------------------------------------------------------------------------------------


def write_mnist(folder, *, names="{}-ubyte.gz", n=7, shape=(28, 28), labels=None, label_count=None, dtype=np.uint8):
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = rng.integers(0, 256, (n, *shape)).astype(dtype)
        y = rng.integers(0, 10, n if label_count is None else label_count).astype(np.uint8)
        y = y if labels is None else np.asarray(labels)
        for name, array in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", y)):
            content = idx_bytes(array)
            name = names.format(name)
            (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)


@pytest.mark.parametrize("names", ["{}-ubyte.gz", "{}-ubyte"])
def test_mnist_folder(tmp_path, names):
    write_mnist(tmp_path, names=names)
    train, test = load_mnist(tmp_path)
    for data in (train, test):
        assert data.X.shape == (7, 1, 28, 28)
        assert data.X.dtype == np.uint8
        assert data.y.dtype == np.int64
        assert data.class_names == tuple("0123456789")
    assert (train.name, test.name) == ("mnist", "mnist test")


def test_mnist_with_the_dotted_names(tmp_path):
    write_mnist(tmp_path, names="{}-ubyte")
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / path.name.replace("-idx", ".idx"))
    assert len(load_mnist(tmp_path)[1]) == 7


MNIST_BAD = [
    ({"shape": (27, 28)}, "train-images-idx3-ubyte.gz must hold uint8 (N, 28, 28), got uint8 (7, 27, 28)"),
    ({"dtype": np.int32}, "got int32 (7, 28, 28)"),
    ({"label_count": 6}, "train-labels-idx1-ubyte.gz must hold uint8 (7,), one label an image, got uint8 (6,)"),
    ({"labels": np.array([0, 9, 10, 3, 2, 1, 1], np.uint8)}, "labels from 0 to 9, got 10 in row 2"),
    ({"labels": np.zeros(7, np.float32)}, "got float32 (7,)"),
]


@pytest.mark.parametrize(("changes", "text"), MNIST_BAD, ids=range(len(MNIST_BAD)))
def test_wrong_mnist_files(tmp_path, changes, text):
    write_mnist(tmp_path, **changes)
    with pytest.raises(DataError, match=re.escape(text)):
        load_mnist(tmp_path)


def test_missing_mnist_file(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(
        ChainruleError, match=r"t10k-labels-idx1-ubyte.gz or t10k-labels-idx1-ubyte or t10k-labels\.idx1"
    ):
        load_mnist(tmp_path)


def test_real_mnist(data_folder):
    train, test = load_mnist(data_folder / "mnist")
    assert (train.X.shape, test.X.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert train.class_counts().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.class_counts().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.X.mean() / 255 == pytest.approx(0.1306604762738429, abs=1e-12)
    assert (int(train.X.max()), int(train.X.min())) == (255, 0)
    assert train.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.y[:5].tolist() == [7, 2, 1, 0, 4]
