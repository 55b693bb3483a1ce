"""CIFAR-10 batches, made here as Python 2 made them, and the real ones."""

from __future__ import annotations

import hashlib
import pickle
import tarfile

import numpy as np
import pytest

from chainrule.data.cifar_pickle import read_cifar_batch, read_cifar_label_names
from chainrule.errors import DataError


def batch(**changes):
    rng = np.random.default_rng(0)
    entries = {
        b"data": rng.integers(0, 256, (5, 3072), dtype=np.uint8),
        b"labels": [0, 9, 3, 3, 1],
        b"batch_label": b"training batch 1 of 5",
        b"filenames": [b"a.png"] * 5,
    }
    return {k: v for k, v in {**entries, **{n.encode(): v for n, v in changes.items()}}.items() if v is not None}


def write(path, value, protocol=2):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def test_a_batch_comes_back_as_images(tmp_path):
    entries = batch()
    X, y = read_cifar_batch(write(tmp_path / "data_batch_1", entries))
    assert X.shape == (5, 3, 32, 32)
    assert X.dtype == np.uint8
    assert y.tolist() == entries[b"labels"]
    assert y.dtype == np.int64
    # a row is the red, then the green, then the blue plane
    assert X[1, 2, 3, 4] == entries[b"data"][1, 2 * 1024 + 3 * 32 + 4]


def test_text_keys_are_read_too(tmp_path):
    entries = {k.decode(): v for k, v in batch().items()}
    assert read_cifar_batch(write(tmp_path / "b", entries, 4))[0].shape == (5, 3, 32, 32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "must hold 'data'"),
        ({"labels": None}, "must hold 'labels'"),
        ({"data": np.zeros((5, 3071), np.uint8)}, r"uint8 \(N, 3072\), got uint8 \(5, 3071\)"),
        ({"data": np.zeros((5, 3072), np.int64)}, "got int64"),
        ({"data": [1]}, "got list"),
        ({"labels": [0, 1, 2, 3]}, "5 integers, got 4"),
        ({"labels": b"01234"}, "got bytes"),
        ({"labels": [0, 1, 10, 3, 4]}, "got 10 in row 2"),
        ({"labels": [0, 1, True, 3, 4]}, "got True in row 2"),
        ({"labels": [0, 1, 2, 3, -1]}, "got -1 in row 4"),
    ],
)
def test_a_wrong_batch_is_named(tmp_path, changes, message):
    path = write(tmp_path / "data_batch_2", batch(**changes))
    with pytest.raises(DataError, match=message) as error:
        read_cifar_batch(path)
    assert "data_batch_2" in str(error.value)


def test_no_dictionary(tmp_path):
    with pytest.raises(DataError, match="must hold a dictionary"):
        read_cifar_batch(write(tmp_path / "b", [1]))


def test_label_names(tmp_path):
    names = [f"class {i}".encode() for i in range(10)]
    assert read_cifar_label_names(write(tmp_path / "meta", {b"label_names": names}))[9] == "class 9"
    for wrong in (names[:9], [*names[:9], 3], b"names"):
        with pytest.raises(DataError, match="10 strings"):
            read_cifar_label_names(write(tmp_path / "meta", {b"label_names": wrong}))


def test_the_real_batches(data_folder, tmp_path):
    archive = data_folder / "cifar10" / "cifar-10-batches-py.tar.xz"
    if not archive.is_file():
        pytest.skip(f"needs {archive}")
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.rpartition("/")[2]
            if name in ("batches.meta", "data_batch_1"):
                (tmp_path / name).write_bytes(tar.extractfile(member).read())
            if len(list(tmp_path.iterdir())) == 2:
                break
    X, y = read_cifar_batch(tmp_path / "data_batch_1")
    assert X.shape == (10000, 3, 32, 32)
    assert np.bincount(y).sum() == 10000
    assert y[:5].tolist() == [6, 9, 9, 4, 1]
    assert X[0, :, 0, 0].tolist() == [59, 62, 63]
    original = pickle.loads((tmp_path / "data_batch_1").read_bytes(), encoding="bytes")  # our own file, md5 known
    assert hashlib.md5((tmp_path / "data_batch_1").read_bytes()).hexdigest() == "c99cafc152244af753f735de768cd75f"
    np.testing.assert_array_equal(X.reshape(-1, 3072), original[b"data"])
    assert y.tolist() == original[b"labels"]
    assert read_cifar_label_names(tmp_path / "batches.meta")[:2] == ("airplane", "automobile")
