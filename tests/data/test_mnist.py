"""MNIST and its likenesses: counts of the real files, EMNIST put upright and numbered from 0, archives, damage."""

from __future__ import annotations

import gzip
import struct
import zipfile

import numpy as np
import pytest

from chainrule.data import load, load_emnist, load_fashion_mnist, load_mnist
from chainrule.data.mnist import EMNIST_CLASSES, FASHION_CLASSES, MNIST_FILES, emnist_files
from chainrule.errors import ConfigError, DataError, DTypeError


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def made(first, last, seed=0):
    rng = np.random.default_rng(seed)
    arrays = []
    for n in (6, 4):
        labels = rng.integers(first, last + 1, n).astype(np.uint8)
        labels[:2] = first, last
        arrays += [rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), labels]
    return arrays


def write(folder, names, arrays, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(names, arrays, strict=True):
        content = idx(array)
        (folder / name[0 if packed else 1]).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("loader", "names"), [(load_mnist, "0123456789"), (load_fashion_mnist, FASHION_CLASSES)])
def test_folders(tmp_path, packed, loader, names):
    arrays = made(0, 9)
    write(tmp_path, list(MNIST_FILES.values()), arrays, packed)
    train, test = loader(tmp_path)
    np.testing.assert_array_equal(train.X[:, 0], arrays[0])
    assert test.y.tolist() == arrays[3].tolist()
    assert train.class_names == tuple(names)


@pytest.mark.parametrize("part", EMNIST_CLASSES)
@pytest.mark.parametrize("archived", [True, False])
def test_emnist_is_upright_and_numbered_from_0(tmp_path, monkeypatch, part, archived):
    first = 1 if part == "letters" else 0
    arrays = made(first, first + len(EMNIST_CLASSES[part]) - 1)
    folder = tmp_path / "emnist" / "gzip"
    write(folder, emnist_files(part), arrays)
    if archived:
        with zipfile.ZipFile(tmp_path / "emnist" / "gzip.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"gzip/{file.name}")
                file.unlink()
                archive.writestr(f"__MACOSX/gzip/._{file.name}", b"")
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    source = load(f"emnist-{part}")
    np.testing.assert_array_equal(source.train.X[:, 0], arrays[0].transpose(0, 2, 1))
    assert source.train.y.tolist() == (arrays[1].astype(int) - first).tolist()
    assert source.test.classes == len(EMNIST_CLASSES[part])


def test_emnist_classes():
    assert [len(names) for names in EMNIST_CLASSES.values()] == [47, 62, 47, 10, 26, 10]
    assert all(len(set(names)) == len(names) for names in EMNIST_CLASSES.values())


def test_labels_out_of_range_are_named(tmp_path):
    arrays = made(0, 26)
    write(tmp_path, emnist_files("letters"), arrays)
    with pytest.raises(DataError, match=r"labels from 1 to 26, got 0 in row 0"):
        load_emnist(tmp_path, "letters")
    arrays = made(0, 47)
    write(tmp_path, emnist_files("balanced"), arrays)
    with pytest.raises(DataError, match=r"labels from 0 to 46, got 47 in row 1"):
        load_emnist(tmp_path, "balanced")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"load_emnist: folder must hold emnist-digits-train-images-idx3-ubyte.gz"):
        load_emnist(tmp_path, "digits")
    with pytest.raises(ConfigError, match="unknown part of EMNIST 'letter'; did you mean 'letters'"):
        load_emnist(tmp_path, "letter")
    with pytest.raises(DTypeError, match="path"):
        load_fashion_mnist(None)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme", b"")
    with pytest.raises(DataError, match=r"must hold train-images-idx3-ubyte\.gz"):
        load_mnist(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for folder in "ab":
            archive.writestr(f"{folder}/train-images-idx3-ubyte", idx(made(0, 9)[0]))
    with pytest.raises(DataError, match="once, got it in two folders"):
        load_mnist(tmp_path / "b.zip")


def test_real_mnist(data_folder):
    source = load("mnist")
    assert source.train.class_counts().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert source.test.class_counts().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert source.train.X.shape == (60000, 1, 28, 28)
    np.testing.assert_allclose(source.train.X.mean() / 255, 0.1306604762738429, atol=1e-12)
    np.testing.assert_allclose(source.train.X.std() / 255, 0.30810780385646264, atol=1e-9)
    assert source.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_real_binary20d(data_folder):
    if not (data_folder / "binary20d").is_dir():
        pytest.skip("CHAINRULE_DATA holds no binary20d")
    train = load("binary20d").train
    assert (train.X.shape, train.X.dtype) == ((1000, 20), np.float64)
    assert train.class_counts().tolist() == [460, 540]
    np.testing.assert_allclose([train.X.min(), train.X.max()], [0.00105, 1.12006], atol=5e-6)
